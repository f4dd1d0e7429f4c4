//! That what `beadle bench replay` measures is there and adds up, not how fast anything is.

use serde_json::Value;

use crate::cli::Place;

#[test]
fn replays_are_measured() {
    let place = Place::new();
    let told = place.ok(&["bench", "replay", "--json", "--asks", "3", "--entries", "10"]);
    let rows: Vec<Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let what: Vec<&str> = rows.iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(what, ["replay", "life", "life", "waiting"], "{told}");
    assert!(rows.iter().all(|row| row["bench"] == "replay"), "{told}");
    assert!(rows[..3].iter().all(|row| row["entries"] == 10), "as many as were asked for: {told}");
    assert_eq!(
        (&rows[1]["how"], &rows[2]["how"]),
        (&"on its thread".into(), &"from the journal".into())
    );
    let figure = |row: &Value, name: &str| {
        row[name].as_f64().filter(|it| it.is_finite()).unwrap_or_else(|| panic!("{name}: {row}"))
    };
    for row in &rows {
        assert!(figure(row, "ms") > 0.0, "it took some time: {row}");
        // So little may cost less than a tick of the processor clock.
        assert!(figure(row, "cpu_ms") >= 0.0, "{row}");
    }
    let waiting = &rows[3];
    assert_eq!(waiting["suspended"], 3);
    for name in ["open_ms", "index_bytes_per_suspended", "on_disk_bytes_per_suspended"] {
        assert!(figure(waiting, name) > 0.0, "{name}: {waiting}");
    }
    for name in ["cpu_us_of_the_first", "cpu_us_of_the_last"] {
        assert!(figure(waiting, name) >= 0.0, "{name}: {waiting}");
    }
    // Of three scripts neither can be more than the program itself holds.
    for name in ["bytes_per_suspended", "heap_bytes_per_suspended"] {
        assert!(figure(waiting, name).abs() < 1e9, "{name}: {waiting}");
    }
    let agenda = waiting["index"].as_str().expect("the projection's name");
    assert!(agenda.starts_with("agenda-"), "{waiting}");
}
