//! Reads what a server answers, within bounds.

use std::collections::BTreeMap;

use super::{FetchError, dial};

/// Largest response in bytes.
pub const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most headers of a response that are taken.
pub const RESPONSE_HEADERS_MAX: usize = 64;
/// Most of the value of one of them, in bytes.
pub const RESPONSE_HEADER_BYTES_MAX: usize = 1024;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `200`.
    pub status: u16,
    /// Its headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Reads a response to its end.
pub(super) async fn read(mut response: reqwest::Response) -> Result<Answer, FetchError> {
    let (status, headers) = (response.status().as_u16(), headers(response.headers()));
    let most = RESPONSE_BYTES_MAX as u64;
    if response.content_length().is_some_and(|bytes| bytes > most) {
        return Err(FetchError::TooLarge);
    }
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(|why| dial::told(&why))? {
        if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

fn headers(given: &reqwest::header::HeaderMap) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in given {
        let known = headers.len() < RESPONSE_HEADERS_MAX || headers.contains_key(name.as_str());
        if !known {
            continue;
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        let taken = headers.entry(name.as_str().to_owned()).or_default();
        if !taken.is_empty() {
            taken.push_str(", ");
        }
        taken.push_str(&text);
        let end = RESPONSE_HEADER_BYTES_MAX.min(taken.len());
        let end = (0..=end).rev().find(|at| taken.is_char_boundary(*at)).unwrap_or(0);
        taken.truncate(end);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn headers_are_bounded() {
        let mut given = HeaderMap::new();
        for n in 0..RESPONSE_HEADERS_MAX + 7 {
            let name = HeaderName::try_from(format!("x-{n:03}")).expect("a name");
            given.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(headers(&given).len(), RESPONSE_HEADERS_MAX);
        let mut given = HeaderMap::new();
        let long = HeaderValue::try_from("x".repeat(RESPONSE_HEADER_BYTES_MAX + 1)).expect("one");
        given.insert("long", long);
        given.append("two", HeaderValue::from_static("a"));
        given.append("two", HeaderValue::from_static("b"));
        let taken = headers(&given);
        assert_eq!(taken["long"].len(), RESPONSE_HEADER_BYTES_MAX);
        assert_eq!(taken["two"], "a, b");
    }
}
