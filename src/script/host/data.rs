//! Reading and writing JSON, YAML, TOML and CSV. Errors name the place in the text.

use rhai::{Array, Dynamic, Engine, EvalAltResult, Map, NativeCallContext};

use super::super::context::{HostResult, error};
use super::super::engine::{ARRAY_ITEMS_MAX, STRING_BYTES_MAX};
use super::bounded;
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, form, opt, p, thrown};

const UNREADABLE: &[super::table::Thrown] =
    &[thrown("", "the text is not of this format, or too large: with the line and column")];

/// What a script can read and write.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "parse_json",
        forms: &[form(&[p("text", Kind::Text)], Kind::Any)],
        errors: UNREADABLE,
        help: "Reads JSON.",
        example: "let host = parse_json(`{\"name\": \"web001\", \"tags\": [1, 2]}`);\nreply(host.name);",
        ..HostFn::PURE
    },
    HostFn {
        name: "to_json",
        forms: &[form(&[p("value", Kind::Any)], Kind::Text)],
        help: "Writes a value as JSON.",
        example: "reply(to_json(#{ name: \"web001\", up: true }));",
        ..HostFn::PURE
    },
    HostFn {
        name: "parse_yaml",
        forms: &[form(&[p("text", Kind::Text)], Kind::Any)],
        errors: UNREADABLE,
        help: "Reads one document of YAML.",
        example: "let config = parse_yaml(\"name: web001\\nports:\\n  - 80\\n  - 443\\n\");\nreply(`${config.ports[1]}`);",
        ..HostFn::PURE
    },
    HostFn {
        name: "parse_toml",
        forms: &[form(&[p("text", Kind::Text)], Kind::Map)],
        errors: UNREADABLE,
        help: "Reads TOML; dates are texts.",
        example: "let config = parse_toml(\"[server]\\nport = 443\\n\");\nreply(`${config.server.port}`);",
        ..HostFn::PURE
    },
    HostFn {
        name: "parse_csv",
        forms: &[
            form(&[p("text", Kind::Text)], Kind::List),
            form(&[p("text", Kind::Text), OPTIONS], Kind::List),
        ],
        options: &[
            opt(
                "header",
                Kind::Bool,
                "false: the first line is a row like the others, and each row is a list",
            ),
            opt("separator", Kind::Text, "one character; a comma without it"),
        ],
        errors: UNREADABLE,
        help: "Reads CSV into a list of maps, named by the first line.",
        example: "for host in parse_csv(\"name;cpus\\nweb001;4\\n\", #{ header: true, separator: \";\" }) { reply(`${host.name}: ${host.cpus}`); }",
        ..HostFn::PURE
    },
    HostFn {
        name: "to_csv",
        forms: &[
            form(&[p("rows", Kind::List)], Kind::Text),
            form(&[p("rows", Kind::List), p("columns", Kind::List)], Kind::Text),
        ],
        errors: &[thrown("", "a row is no list and no map")],
        help: "Writes rows as CSV: lists as they are, maps under the names of the columns.",
        example: "reply(to_csv([#{ name: \"web001\", cpus: 4 }], [\"name\", \"cpus\"]));",
        ..HostFn::PURE
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("parse_json", |call: NativeCallContext, text: &str| parse_json(&call, text))
        .register_fn("parse_yaml", |call: NativeCallContext, text: &str| parse_yaml(&call, text))
        .register_fn("parse_toml", |call: NativeCallContext, text: &str| parse_toml(&call, text))
        .register_fn("parse_csv", |call: NativeCallContext, text: &str| {
            parse_csv(&call, text, &Map::new())
        })
        .register_fn("parse_csv", |call: NativeCallContext, text: &str, options: Map| {
            parse_csv(&call, text, &options)
        })
        .register_fn("to_json", |call: NativeCallContext, value: Dynamic| to_json(&call, &value))
        // The engine's own takes maps: ours must fit them as exactly.
        .register_fn("to_json", |call: NativeCallContext, value: Map| to_json(&call, &value.into()))
        .register_fn("to_csv", |call: NativeCallContext, rows: Array| to_csv(&call, &rows, None))
        .register_fn("to_csv", |call: NativeCallContext, rows: Array, columns: Array| {
            to_csv(&call, &rows, Some(&columns))
        });
}

/// An error in a text, at its place.
fn at(
    call: &NativeCallContext,
    what: &str,
    place: Option<(usize, usize)>,
    why: &str,
) -> Box<EvalAltResult> {
    let place =
        place.map_or(String::new(), |(line, column)| format!(" in line {line}, column {column}"));
    error(call, format!("this is not {what}{place}: {why}"))
}

/// A message without the place that some libraries put behind it.
fn bare(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}

pub(super) fn parse_json(call: &NativeCallContext, text: &str) -> HostResult {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = bounded::read(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|why| at(call, "JSON", Some((why.line(), why.column())), bare(&why.to_string())))
}

fn parse_yaml(call: &NativeCallContext, text: &str) -> HostResult {
    bounded::read(serde_norway::Deserializer::from_str(text)).map_err(|why| {
        let place = why.location().map(|place| (place.line(), place.column()));
        at(call, "YAML", place, bare(&why.to_string()))
    })
}

fn parse_toml(call: &NativeCallContext, text: &str) -> HostResult {
    let read = toml::Deserializer::parse(text).and_then(bounded::read);
    read.map_err(|why| {
        let place = why.span().map(|span| {
            let before = &text[..span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
        });
        at(call, "TOML", place, why.message())
    })
}

fn parse_csv(call: &NativeCallContext, text: &str, options: &Map) -> HostResult<Array> {
    let options = Options::of(call, "parse_csv", options)?;
    let header = options.bool("header")?.unwrap_or(true);
    let separator = separator(&options)?;
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.has_headers(header).delimiter(separator).flexible(false);
    let mut reader = reader.from_reader(text.as_bytes());
    let wrong = |why: csv::Error| {
        let line = why.position().map(|place| (place.line() as usize, 1));
        at(call, "CSV", line, &why.to_string())
    };
    let names: Vec<String> = match header {
        true => reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect(),
        false => vec![],
    };
    let (mut rows, mut values) = (Array::new(), 0);
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        values += record.len() + 1;
        if rows.len() >= ARRAY_ITEMS_MAX || values > bounded::PARSED_VALUES_MAX {
            let most = bounded::PARSED_VALUES_MAX;
            return Err(options
                .error(format!("a table has at most {ARRAY_ITEMS_MAX} rows and {most} values")));
        }
        rows.push(match header {
            true => {
                let cells = names.iter().zip(&record);
                let row: Map =
                    cells.map(|(name, cell)| (name.as_str().into(), cell.into())).collect();
                row.into()
            }
            false => record.iter().map(|cell| cell.to_owned().into()).collect::<Array>().into(),
        });
    }
    Ok(rows)
}

fn separator(options: &Options) -> HostResult<u8> {
    match options.text("separator")?.as_deref().map(str::as_bytes) {
        None => Ok(b','),
        Some([one]) => Ok(*one),
        Some(_) => Err(options.error("`separator` is one character, such as \";\"")),
    }
}

fn to_json(call: &NativeCallContext, value: &Dynamic) -> HostResult<String> {
    let json = rhai::serde::from_dynamic::<serde_json::Value>(value)
        .map_err(|why| error(call, format!("this value cannot be written as JSON: {why}")))?;
    fitting(call, json.to_string())
}

/// A text that a script may hold.
pub(super) fn fitting(call: &NativeCallContext, text: String) -> HostResult<String> {
    match text.len() {
        bytes if bytes > STRING_BYTES_MAX => Err(error(
            call,
            format!("a text may have {STRING_BYTES_MAX} bytes, this one would have {bytes}"),
        )),
        _ => Ok(text),
    }
}

fn to_csv(call: &NativeCallContext, rows: &Array, columns: Option<&Array>) -> HostResult<String> {
    let first = rows.first().and_then(|row| row.read_lock::<Map>());
    let columns: Vec<String> = match (columns, first) {
        (Some(columns), _) => columns.iter().map(ToString::to_string).collect(),
        (None, Some(first)) => first.keys().map(ToString::to_string).collect(),
        (None, None) => vec![],
    };
    let texts = rows.first().filter(|_| columns.is_empty()).and_then(|row| cells(row, &columns));
    let first = texts.as_ref().unwrap_or(&columns).first();
    // Readers take a mark of the byte order at the very beginning for none of the text.
    let style = match first.is_some_and(|cell| cell.starts_with('\u{FEFF}')) {
        true => csv::QuoteStyle::Always,
        false => csv::QuoteStyle::Necessary,
    };
    let mut writer = csv::WriterBuilder::new().quote_style(style).from_writer(vec![]);
    let wrong = |why: csv::Error| error(call, format!("this cannot be written as CSV: {why}"));
    if !columns.is_empty() {
        writer.write_record(&columns).map_err(wrong)?;
    }
    for row in rows {
        let cells = cells(row, &columns).ok_or_else(|| error(call, "a row is a list or a map"))?;
        writer.write_record(&cells).map_err(wrong)?;
    }
    let bytes = writer.into_inner().expect("memory takes everything");
    fitting(call, String::from_utf8(bytes).expect("it was made of texts"))
}

/// The cells of a row; nothing is an empty cell.
pub(super) fn cells(row: &Dynamic, columns: &[String]) -> Option<Vec<String>> {
    let text = |value: &Dynamic| if value.is_unit() { String::new() } else { value.to_string() };
    if let Some(list) = row.read_lock::<Array>() {
        return Some(list.iter().map(text).collect());
    }
    let map = row.read_lock::<Map>()?;
    Some(columns.iter().map(|name| map.get(name.as_str()).map_or(String::new(), text)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::trial::given;
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_become_values_or_errors_with_their_place() {
        let mut wrong = vec![];
        for (expression, want) in [
            (
                r#"parse_json("{\"a\": [1, 2.5, null, true, \"x\"]}")"#,
                r#"{"a":[1,2.5,null,true,"x"]}"#,
            ),
            (
                r#"parse_json("[1]\n[2]")"#,
                "this is not JSON in line 2, column 1: trailing characters",
            ),
            (
                r#"parse_json("{\"a\":1,\"a\":2}")"#,
                "this is not JSON in line 1, column 13: `a` is there twice",
            ),
            (
                r#"parse_json("{")"#,
                "this is not JSON in line 1, column 1: EOF while parsing an object",
            ),
            (r#"parse_json("18446744073709551615")"#, "1.8446744073709552e+19"),
            (r#"parse_yaml("80: web\ntrue: [a, ~]\n")"#, r#"{"80":"web","true":["a",null]}"#),
            (r#"parse_yaml("a: &x [1]\nb: *x\n")"#, r#"{"a":[1],"b":[1]}"#),
            (
                r#"parse_yaml("a: [1")"#,
                "this is not YAML in line 2, column 1: did not find expected ',' or ']'",
            ),
            (
                r#"parse_toml("a = 1\nb = 2026-03-02\n[c]\nd = [true]\n")"#,
                r#"{"a":1,"b":"2026-03-02","c":{"d":[true]}}"#,
            ),
            (r#"parse_csv("a,b\n1,\"x, y\"\n")"#, r#"[{"a":"1","b":"x, y"}]"#),
            (
                r#"parse_csv("a;b\n1;2\n", #{ header: false, separator: ";" })"#,
                r#"[["a","b"],["1","2"]]"#,
            ),
            (
                r#"parse_csv("a", #{ separator: "ab" })"#,
                "`separator` is one character, such as \";\"",
            ),
            (
                r#"parse_csv("a", #{ seperator: ";" })"#,
                "`parse_csv` has no option `seperator`; did you mean `separator`? It has header, separator",
            ),
            (r#"to_json(#{ b: [1, "ü"], a: () })"#, r#""{\"a\":null,\"b\":[1,\"ü\"]}""#),
            (r#"to_csv([#{ b: 1, a: "x,y" }, #{ a: () }])"#, r#""a,b\n\"x,y\",1\n,\n""#),
            (r#"to_csv([[1, 2], ["a b", 3]])"#, r#""1,2\na b,3\n""#),
            (r#"to_csv([["\ufeffa"]])"#, "\"\\\"\u{feff}a\\\"\\n\""),
            (r#"to_csv([1])"#, "a row is a list or a map"),
        ] {
            let is = given(expression);
            if is != want {
                wrong.push(format!("{expression}: {is}, not {want}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let toml = given(r#"parse_toml("a = 1\nb =\n")"#);
        assert!(toml.starts_with("this is not TOML in line 2, column "), "{toml}");
        let csv = given(r#"parse_csv("a,b\n1\n")"#);
        assert!(csv.starts_with("this is not CSV in line 2"), "{csv}");
    }

    #[test]
    fn what_comes_from_outside_has_bounds() {
        let engine = super::super::super::engine::engine();
        let tried = |name: &str, text: &str| {
            let mut scope = rhai::Scope::new();
            scope.push("text", text.to_owned());
            engine.eval_with_scope::<Dynamic>(&mut scope, &format!("{name}(text)"))
        };
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let (deep, many) = (bounded::PARSED_DEPTH_MAX, bounded::PARSED_VALUES_MAX);
        let lists = |n: usize| json!([vec![1; n / 2 - 2], vec![1; n - n / 2 - 1]]).to_string();
        for (text, want) in [
            (nested(deep), None),
            (nested(deep + 1), Some("nested more than 32 deep")),
            (lists(many), None),
            (lists(many + 1), Some("more than 10000 values")),
        ] {
            let why = tried("parse_json", &text).err().map(|why| why.to_string());
            let as_wanted = match (&why, want) {
                (None, None) => true,
                (Some(why), Some(want)) => why.contains(want),
                _ => false,
            };
            assert!(as_wanted, "{want:?}: {why:?}");
        }
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let all = vec![format!("*a{}", n - 1); 9].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{all}]\n"));
        }
        let why = tried("parse_yaml", &laughs).expect_err("it is far too large").to_string();
        assert!(why.contains("more than 10000 values") || why.contains("repetition"), "{why}");
    }
}
