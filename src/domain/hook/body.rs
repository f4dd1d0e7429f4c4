//! What was posted to a hook, as fields: JSON, a form or a text, by what it says of itself or by how it begins.

use serde_json::{Map, Value};

/// Most fields of a form or of a query.
pub const PAIRS_MAX: usize = 1_000;

/// Why a body cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadBody {
    /// It is not what it says that it is: what is wrong where.
    Malformed(String),
    /// It is of a kind that is not taken.
    Unsupported(String),
}

/// What a body says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Text,
    /// Nothing, or only that it is bytes.
    Unsaid,
}

/// Reads a body. The members of a JSON object and the fields of a form are the fields; another JSON value is `value`,
/// and a text is `text`.
///
/// # Errors
/// [`BadBody`] with what is wrong where.
pub fn fields(
    content_type: Option<&str>,
    body: &[u8],
    payload_in_form: bool,
) -> Result<Map<String, Value>, BadBody> {
    let said = kind(content_type)?;
    let text = std::str::from_utf8(body).map_err(|why| {
        let at = why.valid_up_to();
        BadBody::Malformed(format!("the body is not UTF-8 at byte {at}"))
    })?;
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    match said {
        Kind::Json => json(text),
        // `curl --data` says that JSON is a form when nobody tells it otherwise.
        Kind::Form if looks_like_json => json(text).map_err(|why| match why {
            BadBody::Malformed(why) => BadBody::Malformed(format!(
                "the body says that it is a form and begins like JSON; {why}"
            )),
            other => other,
        }),
        Kind::Form => form(text, payload_in_form),
        Kind::Unsaid if looks_like_json => json(text),
        Kind::Text | Kind::Unsaid => Ok(one("text", Value::from(text))),
    }
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// What a content type stands for.
fn kind(content_type: Option<&str>) -> Result<Kind, BadBody> {
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        let known = matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii");
        if name.trim().eq_ignore_ascii_case("charset") && !known {
            let what = format!("the charset `{value}` is not taken: send UTF-8");
            return Err(BadBody::Unsupported(what));
        }
    }
    match kind.as_str() {
        "" | "application/octet-stream" => Ok(Kind::Unsaid),
        "application/json" | "text/json" => Ok(Kind::Json),
        json if json.starts_with("application/") && json.ends_with("+json") => Ok(Kind::Json),
        "application/x-www-form-urlencoded" => Ok(Kind::Form),
        text if text.starts_with("text/") => Ok(Kind::Text),
        other => Err(BadBody::Unsupported(format!("the content type `{other}` is not taken"))),
    }
}

fn json(text: &str) -> Result<Map<String, Value>, BadBody> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(value) => Ok(one("value", value)),
        Err(why) => {
            // What serde says may quote the body; where it is wrong is enough.
            let what = match why.classify() {
                serde_json::error::Category::Eof => "it ends too early",
                _ if why.to_string().contains("recursion") => "it is nested too deep",
                _ => "it is no JSON",
            };
            let (line, column) = (why.line(), why.column());
            Err(BadBody::Malformed(format!(
                "the body is not JSON: {what} at line {line}, column {column}"
            )))
        }
    }
}

fn form(text: &str, payload_in_form: bool) -> Result<Map<String, Value>, BadBody> {
    let mut fields = pairs(text).map_err(BadBody::Malformed)?;
    if payload_in_form
        && fields.len() == 1
        && let Some(Value::String(payload)) = fields.remove("payload")
    {
        return json(&payload);
    }
    Ok(fields)
}

/// The fields of a form or of a query; a name that comes again makes a list.
///
/// # Errors
/// If there are more than [`PAIRS_MAX`].
pub fn pairs(text: &str) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (n, (name, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if n >= PAIRS_MAX {
            return Err(format!("more than {PAIRS_MAX} fields are not taken"));
        }
        let value = Value::String(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            Some(Value::Array(several)) => several.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => drop(fields.insert(name.into_owned(), value)),
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_read_as_what_they_say_or_look_like() {
        let form = Some("application/x-www-form-urlencoded");
        for (kind, body, want) in [
            (Some("application/json"), r#"{"a":1}"#, json!({ "a": 1 })),
            (Some("application/json; charset=UTF-8"), r#"[1]"#, json!({ "value": [1] })),
            (Some("application/cloudevents+json"), r#""x""#, json!({ "value": "x" })),
            (form, "a=1&b=two+words&a=%C3%A4", json!({ "a": ["1", "ä"], "b": "two words" })),
            (form, r#"{"a":1}"#, json!({ "a": 1 })),
            (form, "payload=%7B%22a%22%3A1%7D", json!({ "payload": "{\"a\":1}" })),
            (form, "", json!({})),
            (Some("text/plain"), r#"{"a":1}"#, json!({ "text": "{\"a\":1}" })),
            (Some("text/markdown; charset=\"utf-8\""), "hello\n", json!({ "text": "hello\n" })),
            (None, r#" {"a":1}"#, json!({ "a": 1 })),
            (None, "web1 is down", json!({ "text": "web1 is down" })),
            (Some("application/octet-stream"), "[2]", json!({ "value": [2] })),
            (None, "", json!({ "text": "" })),
        ] {
            let got = fields(kind, body.as_bytes(), false).map(Value::Object);
            assert_eq!(got, Ok(want), "{kind:?} {body}");
        }
        let payload = fields(form, b"payload=%7B%22a%22%3A1%7D", true).map(Value::Object);
        assert_eq!(payload, Ok(json!({ "a": 1 })));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_its_words() {
        let json = Some("application/json");
        let deep = "[".repeat(200);
        for (kind, body, want) in [
            (
                json,
                &b"{\"a\":\n sesame}"[..],
                "the body is not JSON: it is no JSON at line 2, column 2",
            ),
            (json, b"", "the body is not JSON: it ends too early at line 1, column 0"),
            (json, b"{\"a\":1", "the body is not JSON: it ends too early at line 1, column 6"),
            (
                json,
                deep.as_bytes(),
                "the body is not JSON: it is nested too deep at line 1, column 128",
            ),
            (json, b"{\"a\":\"\xff\"}", "the body is not UTF-8 at byte 6"),
            (
                Some("application/x-www-form-urlencoded"),
                b"{sesame",
                "the body says that it is a form and begins like JSON; the body is not JSON: it is no JSON at line 1, column 2",
            ),
            (
                Some("multipart/form-data; boundary=x"),
                b"x",
                "the content type `multipart/form-data` is not taken",
            ),
            (Some("image/png"), b"x", "the content type `image/png` is not taken"),
            (
                Some("text/plain; charset=latin1"),
                b"x",
                "the charset `latin1` is not taken: send UTF-8",
            ),
        ] {
            let got = match fields(kind, body, false) {
                Err(BadBody::Malformed(what) | BadBody::Unsupported(what)) => what,
                Ok(fields) => panic!("{kind:?}: {fields:?}"),
            };
            assert_eq!(got, want);
        }
    }

    #[test]
    fn a_form_has_a_bound() {
        let many = "a&".repeat(PAIRS_MAX);
        assert_eq!(pairs(&many).unwrap()["a"].as_array().unwrap().len(), PAIRS_MAX);
        let more = format!("{many}a");
        assert_eq!(pairs(&more), Err(format!("more than {PAIRS_MAX} fields are not taken")));
    }
}
