//! What a picture of numbers shows: read from a script's description, checked, and sketched in text. Drawing it is not done here.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most lines of one picture.
pub const PLOT_LINES_MAX: usize = 12;
/// Most points of all lines together.
pub const PLOT_POINTS_MAX: usize = 2_000;
/// Largest number, and the largest below zero.
pub const PLOT_NUMBER_MAX: f64 = 1e15;
/// What is smaller is nothing in a picture.
const NUMBER_MIN: f64 = 1e-9;
/// Longest text in a picture, in characters.
pub const PLOT_TEXT_CHARS_MAX: usize = 120;
/// Widest picture in pixels.
pub const PLOT_WIDTH_MAX: u32 = 1_600;
/// Highest picture in pixels.
pub const PLOT_HEIGHT_MAX: u32 = 1_200;
/// The narrowest picture in which anything can be read.
const WIDTH_MIN: u32 = 200;
/// The lowest.
const HEIGHT_MIN: u32 = 120;
/// What a picture measures where nothing is said.
const SIZE: (u32, u32) = (640, 320);
/// How many columns a sketch has.
const SKETCH_COLUMNS: usize = 40;
/// The columns of a sketch, from low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What a description may hold.
pub const PLOT_OPTIONS: &[&str] = &["title", "lines", "x", "y", "kind", "width", "height"];
/// What a line may hold.
const LINE_OPTIONS: &[&str] = &["name", "points", "values"];

/// A picture of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// How the numbers are drawn.
    pub kind: PlotKind,
    /// The numbers.
    pub lines: Vec<PlotLine>,
    /// What stands below: a word for the axis.
    pub x: String,
    /// Names of the places 0, 1, 2 … along it, in place of their numbers.
    pub places: Vec<String>,
    /// What stands at the side.
    pub y: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// How numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlotKind {
    /// Each point is joined with the next.
    Lines,
    /// A dot for each point.
    Points,
    /// A bar for each point, from zero.
    Bars,
}

/// A row of numbers with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlotLine {
    /// Its name; empty where there is only one.
    pub name: String,
    /// Its points, along and up.
    pub points: Vec<(f64, f64)>,
}

/// The ends of a stretch of numbers.
pub type Ends = (f64, f64);

impl Plot {
    /// Reads what a script described.
    ///
    /// # Errors
    /// A sentence for the author of the script.
    pub fn read(described: &Value) -> Result<Self, String> {
        let map = described.as_object().ok_or("a picture is described by a map")?;
        known(map, "plot", PLOT_OPTIONS)?;
        let lines = map.get("lines").ok_or("a picture needs `lines`")?;
        let lines = lines.as_array().ok_or("`lines` is a list of lines")?;
        if lines.is_empty() || lines.len() > PLOT_LINES_MAX {
            return Err(format!("a picture has 1 to {PLOT_LINES_MAX} lines"));
        }
        let lines = lines.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        let points: usize = lines.iter().map(|line| line.points.len()).sum();
        if points == 0 || points > PLOT_POINTS_MAX {
            return Err(format!(
                "a picture has 1 to {PLOT_POINTS_MAX} points, this one has {points}"
            ));
        }
        let (x, places) = axis(map)?;
        Ok(Self {
            title: text(map, "title")?,
            kind: kind(map.get("kind"))?,
            lines,
            x,
            places,
            y: text(map, "y")?,
            width: pixels(map, "width", SIZE.0, WIDTH_MIN, PLOT_WIDTH_MAX)?,
            height: pixels(map, "height", SIZE.1, HEIGHT_MIN, PLOT_HEIGHT_MAX)?,
        })
    }

    /// The lowest and the highest number, along and up; bars stand on zero.
    pub fn ends(&self) -> (Ends, Ends) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (across, mut up) = (ends(points().map(|it| it.0)), ends(points().map(|it| it.1)));
        if self.kind == PlotKind::Bars {
            up = (up.0.min(0.0), up.1.max(0.0));
        }
        (across, up)
    }

    /// The picture in a few lines of text: one for each of its lines.
    pub fn sketch(&self) -> String {
        let (_, up) = self.ends();
        let wide = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        let row = |line: &PlotLine| {
            let Some(last) = line.points.last() else { return format!("{}: nothing", line.name) };
            let own = ends(line.points.iter().map(|point| point.1));
            let gap = if wide > 0 { " " } else { "" };
            format!(
                "{:wide$}{gap}{}  {} to {}, last {}",
                line.name,
                columns(&line.points, up),
                number(own.0),
                number(own.1),
                number(last.1)
            )
        };
        self.lines.iter().map(row).collect::<Vec<_>>().join("\n")
    }
}

/// A number as people read it: three digits that matter, and `k`, `M`, `G`, `T` for thousands.
pub fn number(value: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "")];
    let size = value.abs();
    let (scale, unit) = match UNITS.iter().find(|(least, _)| size >= *least) {
        Some((_, "")) => (1e3, "k"),
        Some((scale, unit)) => (*scale, *unit),
        None => (1.0, ""),
    };
    let scaled = value / scale;
    let digits = match scaled.abs() {
        s if s >= 100.0 || s == 0.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 1.0 => 2,
        s if s >= 0.01 => 4,
        _ => return format!("{value:.1e}"),
    };
    let shown = format!("{scaled:.digits$}");
    let shown = match shown.contains('.') {
        true => shown.trim_end_matches('0').trim_end_matches('.'),
        false => &shown,
    };
    format!("{shown}{unit}")
}

/// A row of columns as high as the numbers; where there are more numbers than columns, the highest of each group.
fn columns(points: &[(f64, f64)], (low, high): Ends) -> String {
    let count = points.len().min(SKETCH_COLUMNS);
    let column = |nth: usize| {
        let group = &points[nth * points.len() / count..(nth + 1) * points.len() / count];
        let top = group.iter().map(|point| point.1).fold(f64::MIN, f64::max);
        let part = if high > low { (top - low) / (high - low) } else { 0.5 };
        BARS[((part * 8.0) as usize).min(BARS.len() - 1)]
    };
    (0..count).map(column).collect()
}

fn ends(numbers: impl Iterator<Item = f64>) -> Ends {
    numbers.fold((f64::MAX, f64::MIN), |(low, high), n| (low.min(n), high.max(n)))
}

fn line(described: &Value) -> Result<PlotLine, String> {
    if let Some(values) = described.as_array() {
        return Ok(PlotLine { name: String::new(), points: values_of(values)? });
    }
    let map = described.as_object().ok_or(
        "a line is a map such as #{ name: \"load\", values: [1, 2] }, or a list of numbers",
    )?;
    known(map, "a line", LINE_OPTIONS)?;
    let name = text(map, "name")?;
    let list = |key: &str| match map.get(key) {
        None => Ok(None),
        Some(value) => value.as_array().map(Some).ok_or(format!("`{key}` is a list")),
    };
    let points = match (list("points")?, list("values")?) {
        (Some(points), None) => points.iter().map(point).collect::<Result<_, _>>()?,
        (None, Some(values)) => values_of(values)?,
        _ => return Err("a line has either `points` or `values`".into()),
    };
    Ok(PlotLine { name, points })
}

fn values_of(values: &[Value]) -> Result<Vec<(f64, f64)>, String> {
    values.iter().enumerate().map(|(n, value)| Ok((n as f64, numeric(value)?))).collect()
}

fn point(value: &Value) -> Result<(f64, f64), String> {
    match value.as_array().map(Vec::as_slice) {
        Some([x, y]) => Ok((numeric(x)?, numeric(y)?)),
        _ => Err(format!("a point is a list of two numbers, not {value}")),
    }
}

fn numeric(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().ok_or_else(|| format!("{value} is no number"))?;
    match number.abs() <= PLOT_NUMBER_MAX {
        true => Ok(rounded(number)),
        false => Err(format!("{number} is too large for a picture")),
    }
}

/// A number of so few digits that it is read back from the log as exactly what was written there.
fn rounded(number: f64) -> f64 {
    match number.abs() < NUMBER_MIN {
        true => 0.0,
        false => format!("{number:.11e}").parse().unwrap_or(number),
    }
}

/// The word below, or the names of the places along.
fn axis(map: &Map<String, Value>) -> Result<(String, Vec<String>), String> {
    let Some(Value::Array(names)) = map.get("x") else { return Ok((text(map, "x")?, vec![])) };
    if names.len() > PLOT_POINTS_MAX {
        return Err(format!("`x` may name {PLOT_POINTS_MAX} places"));
    }
    let name = |value: &Value| match value {
        Value::String(name) => short("x", name),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`x` is a text or a list of texts, not {other}")),
    };
    Ok((String::new(), names.iter().map(name).collect::<Result<_, _>>()?))
}

fn kind(value: Option<&Value>) -> Result<PlotKind, String> {
    match value.map(|it| it.as_str().unwrap_or_default()) {
        None | Some("lines") => Ok(PlotKind::Lines),
        Some("points") => Ok(PlotKind::Points),
        Some("bars") => Ok(PlotKind::Bars),
        Some(_) => Err("`kind` is \"lines\", \"points\" or \"bars\"".into()),
    }
}

fn pixels(
    map: &Map<String, Value>,
    name: &str,
    usual: u32,
    least: u32,
    most: u32,
) -> Result<u32, String> {
    let Some(value) = map.get(name) else { return Ok(usual) };
    let pixels = value.as_u64().and_then(|n| u32::try_from(n).ok());
    pixels
        .filter(|pixels| (least..=most).contains(pixels))
        .ok_or_else(|| format!("`{name}` is a number of pixels from {least} to {most}"))
}

/// A text on one line; without it, the empty one.
fn text(map: &Map<String, Value>, name: &str) -> Result<String, String> {
    match map.get(name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => short(name, text),
        Some(other) => Err(format!("`{name}` is a text, not {other}")),
    }
}

fn short(name: &str, text: &str) -> Result<String, String> {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.chars().count() > PLOT_TEXT_CHARS_MAX {
        true => Err(format!("`{name}` may have {PLOT_TEXT_CHARS_MAX} characters")),
        false => Ok(one_line),
    }
}

fn known(map: &Map<String, Value>, what: &str, names: &[&str]) -> Result<(), String> {
    match map.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("`{what}` has no option `{name}`; it has {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn descriptions_are_read() {
        let plot = Plot::read(&json!({
            "title": "Load\nof web1", "y": "%", "x": ["mon", 2],
            "lines": [{ "name": "a", "values": [1, 2.5] }, { "points": [[0, -1]] }, [7]],
        }));
        let plot = plot.expect("it is right");
        assert_eq!((plot.title.as_str(), plot.width, plot.height), ("Load of web1", 640, 320));
        assert_eq!(plot.places, ["mon", "2"]);
        let points: Vec<_> = plot.lines.iter().map(|line| line.points.clone()).collect();
        assert_eq!(points, [vec![(0.0, 1.0), (1.0, 2.5)], vec![(0.0, -1.0)], vec![(0.0, 7.0)]]);
        assert_eq!(plot.ends(), ((0.0, 1.0), (-1.0, 7.0)));
        let stored = serde_json::to_value(&plot).expect("it is JSON");
        assert_eq!(serde_json::from_value::<Plot>(stored).expect("the same"), plot);
    }

    #[test]
    fn wrong_descriptions_say_what_is_wrong() {
        let line = json!([1]);
        let many = |count: usize| json!(vec![1; count]);
        let texts = |chars: usize| json!("x".repeat(chars));
        for (described, want) in [
            (json!(1), "a picture is described by a map"),
            (json!({ "titel": "x" }), "`plot` has no option `titel`; it has title, lines"),
            (json!({}), "a picture needs `lines`"),
            (json!({ "lines": [] }), "a picture has 1 to 12 lines"),
            (json!({ "lines": vec![line.clone(); PLOT_LINES_MAX] }), "ok"),
            (
                json!({ "lines": vec![line.clone(); PLOT_LINES_MAX + 1] }),
                "a picture has 1 to 12 lines",
            ),
            (json!({ "lines": [many(PLOT_POINTS_MAX)] }), "ok"),
            (
                json!({ "lines": [many(PLOT_POINTS_MAX + 1)] }),
                "a picture has 1 to 2000 points, this one has 2001",
            ),
            (json!({ "lines": [[]] }), "a picture has 1 to 2000 points, this one has 0"),
            (json!({ "lines": [7] }), "a line is a map such as"),
            (json!({ "lines": [{ "name": "x" }] }), "a line has either `points` or `values`"),
            (json!({ "lines": [{ "points": [1] }] }), "a point is a list of two numbers, not 1"),
            (json!({ "lines": [["a"]] }), "\"a\" is no number"),
            (json!({ "lines": [[PLOT_NUMBER_MAX]] }), "ok"),
            (
                json!({ "lines": [[PLOT_NUMBER_MAX * 2.0]] }),
                "2000000000000000 is too large for a picture",
            ),
            (
                json!({ "lines": [line], "kind": "pie" }),
                "`kind` is \"lines\", \"points\" or \"bars\"",
            ),
            (
                json!({ "lines": [line], "width": 100 }),
                "`width` is a number of pixels from 200 to 1600",
            ),
            (json!({ "lines": [line], "width": PLOT_WIDTH_MAX }), "ok"),
            (
                json!({ "lines": [line], "height": PLOT_HEIGHT_MAX + 1 }),
                "`height` is a number of pixels",
            ),
            (json!({ "lines": [line], "title": texts(PLOT_TEXT_CHARS_MAX) }), "ok"),
            (
                json!({ "lines": [line], "title": texts(PLOT_TEXT_CHARS_MAX + 1) }),
                "`title` may have 120 characters",
            ),
            (json!({ "lines": [line], "y": 3 }), "`y` is a text, not 3"),
            (json!({ "lines": [line], "x": [true] }), "`x` is a text or a list of texts, not true"),
        ] {
            let got = Plot::read(&described).err().unwrap_or_else(|| "ok".into());
            assert!(got.starts_with(want), "{described}: {got}");
        }
    }

    #[test]
    fn numbers_come_back_from_the_log_as_they_were() {
        let thirds: Vec<f64> = (1..400).map(|n| f64::from(n) / 3.0 + 1e-7).collect();
        let plot = Plot::read(&json!({ "lines": [thirds, [1e-300, 0.1 + 0.2, 1e15 / 7.0]] }));
        let plot = plot.expect("it is right");
        let stored = serde_json::to_value(&plot).expect("it is JSON").to_string();
        let back: Value = serde_json::from_str(&stored).expect("it is JSON");
        assert_eq!(back, serde_json::to_value(&plot).expect("it is JSON"));
        assert_eq!(plot.lines[1].points[0].1, 0.0);
        assert_eq!(plot.lines[1].points[1].1, 0.3);
    }

    #[test]
    fn sketches_show_the_shape() {
        let plot = |lines: Value| Plot::read(&json!({ "lines": lines })).expect("it is right");
        let rising: Vec<i32> = (0..400).collect();
        for (lines, want) in [
            (json!([[0, 1, 2, 3, 4, 5, 6, 7]]), "▁▂▃▄▅▆▇█  0 to 7, last 7"),
            (json!([[3, 3]]), "▅▅  3 to 3, last 3"),
            (
                json!([{ "name": "in", "values": [0, 8] }, { "name": "outer", "values": [4] }]),
                "in    ▁█  0 to 8, last 8\nouter ▅  4 to 4, last 4",
            ),
            (json!([rising]), "▁▁▁▁▁▂▂▂▂▂▃▃▃▃▃▄▄▄▄▄▅▅▅▅▅▆▆▆▆▆▇▇▇▇▇█████  0 to 399, last 399"),
        ] {
            assert_eq!(plot(lines.clone()).sketch(), want, "{lines}");
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, want) in [
            (0.0, "0"),
            (7.0, "7"),
            (1234.0, "1234"),
            (12_345.0, "12.3k"),
            (-2_500_000.0, "-2.5M"),
            (3e9, "3G"),
            (1e15, "1000T"),
            (0.25, "0.25"),
            (99.96, "100"),
            (0.000_12, "1.2e-4"),
        ] {
            assert_eq!(number(value), want);
        }
    }
}
