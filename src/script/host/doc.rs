//! Formatted texts: `bold`, `code`, `link`, `table`, `doc`. They are joined with `+`, and every room shows them as it can.

use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};

use super::super::context::{HostResult, error};
use super::data::cells;
use super::table::{HostFn, Kind, form, p, thrown};
use crate::domain::message::{Block, Doc, Span, TABLE_CELLS_MAX};

/// A formatted text, as a script holds it.
#[derive(Debug, Clone, Default)]
pub struct Formatted(pub Doc);

const DOC: Kind = Kind::Type("Doc");

/// How a script can format what it says.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "bold",
        forms: &[form(&[p("text", Kind::Any)], DOC)],
        help: "Words that stand out. Formatted texts are joined with `+`; inside of `${..}` only their words are left.",
        example: "reply(bold(args.name) + \" is up\");",
        ..HostFn::PURE
    },
    HostFn {
        name: "code",
        forms: &[
            form(&[p("text", Kind::Any)], DOC),
            form(&[p("text", Kind::Any), p("language", Kind::Text)], DOC),
        ],
        help: "Words to be typed or copied; several lines, or with a language, a block of their own.",
        example: "reply(\"try \" + code(\"uptime\"));\nreply(code(\"fn main() {}\", \"rust\"));",
        ..HostFn::PURE
    },
    HostFn {
        name: "link",
        forms: &[
            form(&[p("url", Kind::Text)], DOC),
            form(&[p("url", Kind::Text), p("text", Kind::Any)], DOC),
        ],
        help: "Words that lead somewhere.",
        example: "reply(\"see \" + link(\"https://example.org/web001\", args.name));",
        ..HostFn::PURE
    },
    HostFn {
        name: "table",
        forms: &[
            form(&[p("rows", Kind::List)], DOC),
            form(&[p("rows", Kind::List), p("columns", Kind::List)], DOC),
        ],
        errors: &[thrown("", "a row is no list and no map, or the table is too large")],
        help: "A table: of maps, with the names of the columns above, or of lists, with the first as what stands above.",
        example: "reply(table([#{ name: \"web001\", cpus: 4 }, #{ name: \"web002\", cpus: 8 }], [\"name\", \"cpus\"]));",
        ..HostFn::PURE
    },
    HostFn {
        name: "doc",
        forms: &[form(&[p("pieces", Kind::List)], DOC)],
        help: "Pieces of formatted and plain text, joined.",
        example: "reply(doc([\"the \", bold(\"first\"), \" of \", code(\"two\")]));",
        ..HostFn::PURE
    },
];

pub(super) fn register(engine: &mut Engine) {
    type Call<'a> = NativeCallContext<'a>;
    type Text = ImmutableString;
    let span = |span: Span| Formatted(Doc::default().line([span]));
    engine
        .register_type_with_name::<Formatted>("Doc")
        .register_fn("bold", move |text: Dynamic| span(Span::Bold(text.to_string())))
        .register_fn("code", |text: Dynamic| code(&text.to_string(), None))
        .register_fn("code", |text: Dynamic, lang: &str| code(&text.to_string(), Some(lang)))
        .register_fn("link", move |url: &str| {
            span(Span::Link { url: url.to_owned(), text: url.to_owned() })
        })
        .register_fn("link", move |url: &str, text: Dynamic| {
            span(Span::Link { url: url.to_owned(), text: text.to_string() })
        })
        .register_fn("table", |call: Call, rows: Array| table(&call, &rows, None))
        .register_fn("table", |call: Call, rows: Array, columns: Array| {
            table(&call, &rows, Some(&columns))
        })
        .register_fn("doc", |pieces: Array| {
            pieces.iter().fold(Formatted::default(), |all, piece| all.and(piece_of(piece)))
        })
        .register_fn("+", |one: Formatted, other: Formatted| one.and(other))
        .register_fn("+", |one: Formatted, other: Text| one.and(plain(&other)))
        .register_fn("+", |one: Text, other: Formatted| plain(&one).and(other))
        .register_fn("+", |one: Formatted, other: Dynamic| one.and(piece_of(&other)))
        .register_fn("+=", |one: &mut Formatted, other: Dynamic| {
            *one = std::mem::take(one).and(piece_of(&other));
        })
        .register_fn("to_string", |it: &mut Formatted| it.0.words())
        .register_fn("to_debug", |it: &mut Formatted| it.0.words());
}

impl Formatted {
    /// Joins: the last line goes on with the first of what follows.
    fn and(self, other: Self) -> Self {
        Self(self.0.joined(other.0))
    }
}

fn plain(text: &str) -> Formatted {
    let mut doc = Doc::text(text);
    if text.ends_with('\n') {
        doc = doc.line([]);
    }
    Formatted(doc)
}

/// A value inside of a formatted text.
fn piece_of(value: &Dynamic) -> Formatted {
    let known = value.clone().try_cast::<Formatted>();
    known.unwrap_or_else(|| plain(&value.to_string()))
}

fn code(text: &str, lang: Option<&str>) -> Formatted {
    Formatted(match text.contains('\n') || lang.is_some() {
        true => Doc::default().code_block(text, lang),
        false => Doc::default().line([Span::Code(text.to_owned())]),
    })
}

fn table(call: &NativeCallContext, rows: &Array, columns: Option<&Array>) -> HostResult<Formatted> {
    let first = rows.first().and_then(|row| row.read_lock::<Map>());
    let columns: Vec<String> = match (columns, first) {
        (Some(columns), _) => columns.iter().map(ToString::to_string).collect(),
        (None, Some(first)) => first.keys().map(ToString::to_string).collect(),
        (None, None) => vec![],
    };
    let mut lines = rows
        .iter()
        .map(|row| cells(row, &columns).ok_or_else(|| error(call, "a row is a list or a map")))
        .collect::<HostResult<Vec<Vec<String>>>>()?;
    let head = match columns.is_empty() {
        false => columns,
        true if lines.is_empty() => return Err(error(call, "a table needs a row")),
        true => lines.remove(0),
    };
    let count = head.len() + lines.iter().map(Vec::len).sum::<usize>();
    if count > TABLE_CELLS_MAX {
        return Err(error(
            call,
            format!("a table may have {TABLE_CELLS_MAX} cells, this one has {count}"),
        ));
    }
    Ok(Formatted(Doc::default().block(Block::Table { head, rows: lines })))
}

#[cfg(test)]
mod tests {
    use super::super::super::run::End;
    use super::super::trial::body;
    use super::*;

    fn given(expression: &str) -> Result<String, String> {
        let trial = body(&format!("reply({expression})"));
        match trial.end {
            End::Failed(failure) => Err(failure.message),
            _ => Ok(match trial.entries[0].args.get("doc") {
                Some(doc) => doc["blocks"].to_string(),
                None => trial.entries[0].args["text"].to_string(),
            }),
        }
    }

    #[test]
    fn formatted_texts_are_joined() {
        let line = |spans: &str| format!(r#"[{{"kind":"line","value":[{spans}]}}]"#);
        let text = |text: &str| format!(r#"{{"kind":"text","value":"{text}"}}"#);
        let bold = |text: &str| format!(r#"{{"kind":"bold","value":"{text}"}}"#);
        for (expression, want) in [
            (r#"bold("a") + " is up""#, line(&[bold("a"), text(" is up")].join(","))),
            (r#""now " + bold(7) + 8"#, line(&[text("now "), bold("7"), text("8")].join(","))),
            (r#"doc(["x", bold("a"), 1])"#, line(&[text("x"), bold("a"), text("1")].join(","))),
            (r#"`${bold("a")} ${table([["h"], ["v"]])}`"#, r#""a h\nv""#.to_owned()),
            (
                r#""a\n" + bold("b")"#,
                format!(
                    r#"[{{"kind":"line","value":[{}]}},{{"kind":"line","value":[{}]}}]"#,
                    text("a"),
                    bold("b")
                ),
            ),
            (
                r#"table([#{ b: 1, a: () }])"#,
                r#"[{"kind":"table","value":{"head":["a","b"],"rows":[["","1"]]}}]"#.to_owned(),
            ),
            (
                r#"table([["a"], ["b"]])"#,
                r#"[{"kind":"table","value":{"head":["a"],"rows":[["b"]]}}]"#.to_owned(),
            ),
            (
                r#"code("a\nb")"#,
                r#"[{"kind":"code","value":{"text":"a\nb","lang":null}}]"#.replace('\n', "\\n"),
            ),
        ] {
            let is = given(expression).unwrap_or_else(|why| panic!("{expression}: {why}"));
            let sorted =
                |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            assert_eq!(sorted(&is), sorted(&want), "{expression}");
        }
        assert_eq!(given("table([1])"), Err("a row is a list or a map".into()));
        assert_eq!(given("table([])"), Err("a table needs a row".into()));
    }

    #[test]
    fn tables_have_a_bound() {
        for (rows, fits) in [(TABLE_CELLS_MAX / 2 - 1, true), (TABLE_CELLS_MAX / 2, false)] {
            let expression = format!(
                "let rows = []; rows.pad({rows}, [1, 2]); reply(table(rows, [\"a\", \"b\"]));"
            );
            let end = body(&expression).end;
            let refused =
                matches!(&end, End::Failed(why) if why.message.contains("a table may have"));
            assert_eq!(refused, !fits, "{end:?}");
        }
    }
}
