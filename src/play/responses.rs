//! What requests of scripts are answered with where nothing is really sent.

use serde_json::Value;

use crate::domain::event::EffectResult;
use crate::domain::http;

/// Whether a request came to what may be another time around.
pub(super) fn passes(result: &EffectResult) -> bool {
    matches!(result, EffectResult::Ok(response) if response["status"].as_u64().is_some_and(|it| it >= 400))
}

/// A response as a script gets it, of what a test says of it: `#{ status, json }`, or `#{ status, body, headers }`.
pub(super) fn responded(given: &Value) -> Value {
    let status = given["status"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or(200);
    let named =
        |(name, value): (&String, &Value)| Some((name.to_lowercase(), value.as_str()?.to_owned()));
    let headers = given["headers"].as_object().into_iter().flatten().filter_map(named).collect();
    let body = match (&given["json"], &given["body"]) {
        (Value::Null, Value::String(text)) => text.clone(),
        (Value::Null, Value::Null) => String::new(),
        (Value::Null, other) | (other, _) => other.to_string(),
    };
    http::response(status, &headers, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_test_says_becomes_a_response() {
        for (given, status, body) in [
            (json!({ "status": 201, "json": { "key": "OPS-1" } }), 201, r#"{"key":"OPS-1"}"#),
            (json!({ "body": "hello" }), 200, "hello"),
            (json!({ "json": [1] }), 200, "[1]"),
            (json!({ "status": 204 }), 204, ""),
            (json!({ "status": 204, "json": null }), 204, ""),
        ] {
            let got = responded(&given);
            assert_eq!((&got["status"], &got["body"]), (&json!(status), &json!(body)), "{given}");
        }
        let got = responded(&json!({ "status": 429, "headers": { "Retry-After": "7" } }));
        assert_eq!(got["headers"]["retry-after"], "7");
        assert!(passes(&EffectResult::Ok(got)));
    }
}
