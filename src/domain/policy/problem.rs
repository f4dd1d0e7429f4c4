//! What is wrong with a policy, with its place.

use super::compile::Source;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// It cannot work; else it may be meant so.
    pub error: bool,
    /// The file; empty: all of them together.
    pub file: String,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
    /// The column, from 1; 0 where there is none.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line itself.
    pub text: Option<String>,
}

impl PolicyProblem {
    /// A problem with a whole file.
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        let (message, file) = (message.into(), file.to_owned());
        Self { error: true, file, line: 0, column: 0, message, hint: None, text: None }
    }

    /// A problem at a byte of a file.
    pub fn at(source: &Source, at: usize, message: impl Into<String>) -> Self {
        let (line, column) = Self::place(&source.text, at);
        let text = source.text.lines().nth(line as usize - 1).map(str::to_owned);
        let (message, file) = (message.into(), source.file.clone());
        Self { error: true, file, line, column, message, hint: None, text }
    }

    /// The line and the column of a byte of a text, both from 1.
    pub fn place(text: &str, at: usize) -> (u32, u32) {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The same with what to do.
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same as what may be meant so.
    pub fn warning(self) -> Self {
        Self { error: false, ..self }
    }
}
