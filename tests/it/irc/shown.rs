//! What IRC shows of what it cannot show: long answers, long words, tables, code.

use super::scene::Scene;

#[test]
fn everything_gets_through_as_promised() {
    let mut scene = Scene::plumbed("looks");
    scene.says("!count to 60");
    let all = scene.hears_all("more lines");
    let texts: Vec<&str> = all.iter().map(|said| said.text.as_str()).collect();
    assert_eq!(texts[..4], ["Erinlooks: line 1", "line 2", "line 3", "line 4"]);
    let more = texts[4].strip_prefix("… 56 more lines: ").expect(texts[4]).to_owned();
    scene.says(&more);
    let all = scene.hears_all("more lines");
    let texts: Vec<&str> = all.iter().map(|said| said.text.as_str()).collect();
    assert_eq!(texts[..4], ["Erinlooks: line 5", "line 6", "line 7", "line 8"]);

    scene.says("!long word");
    let all = scene.hears_all("z");
    let word: String =
        all.iter().map(|said| said.text.trim_start_matches("Erinlooks:").trim()).collect();
    assert_eq!(word, format!("{}z", "x".repeat(1_199)), "whole: {all:#?}");
    assert!(all.iter().all(|said| said.bytes <= 512), "{all:#?}");

    scene.says("!states");
    let all = scene.hears_all("database");
    let texts: Vec<&str> = all.iter().map(|said| said.text.as_str()).collect();
    assert_eq!(texts, ["Erinlooks:", "service   state", "web       up", "database  down"]);

    scene.says("!show code");
    let all = scene.hears_all("let b");
    let texts: Vec<&str> = all.iter().map(|said| said.text.as_str()).collect();
    assert_eq!(texts, ["Erinlooks:", "`let a = 1;`", "`let b = 2;`"]);
}
