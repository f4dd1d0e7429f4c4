//! A problem in a script, told with its place, its line and a hint.

use std::fmt;

/// How sure it is that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It cannot work.
    Error,
    /// It may be meant so.
    Warning,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How sure it is.
    pub severity: Severity,
    /// What kind of problem it is, for programs.
    pub code: &'static str,
    /// The script's file.
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

impl Problem {
    /// A problem with a whole file.
    pub fn file(file: &str, message: impl Into<String>, hint: Option<String>) -> Self {
        let (line, column, text) = (0, 0, None);
        let (severity, code) = (Severity::Error, "load");
        Self {
            severity,
            code,
            file: file.into(),
            line,
            column,
            message: message.into(),
            hint,
            text,
        }
    }

    /// A problem at a place of a source.
    pub fn at(
        file: &str,
        source: &str,
        line: u32,
        column: u32,
        message: impl Into<String>,
    ) -> Self {
        let text = (line as usize).checked_sub(1).and_then(|n| source.lines().nth(n));
        let (message, text) = (message.into(), text.map(str::to_owned));
        let (severity, code) = (Severity::Error, "load");
        Self { severity, code, file: file.into(), line, column, message, hint: None, text }
    }

    /// The same with what kind of problem it is.
    pub fn coded(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The same as what may be meant so.
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Whether it cannot work.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The same with a hint.
    pub fn hinted(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// For programs.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.file, "line": self.line, "column": self.column,
            "what": self.message, "hint": self.hint, "code": self.code,
            "severity": if self.is_error() { "error" } else { "warning" },
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_error() { "error" } else { "warning" };
        writeln!(f, "{word}: {}", self.message)?;
        match (self.line, &self.text) {
            (0, _) => writeln!(f, "  --> {}", self.file)?,
            (line, None) => writeln!(f, "  --> {}:{line}:{}", self.file, self.column)?,
            (line, Some(text)) => {
                let margin = " ".repeat(line.to_string().len());
                let before = (self.column as usize).saturating_sub(1);
                let word =
                    text.chars().skip(before).take_while(|c| c.is_alphanumeric() || *c == '_');
                let carets = "^".repeat(word.count().max(1));
                writeln!(f, "{margin}--> {}:{line}:{}", self.file, self.column)?;
                writeln!(f, "{margin} |")?;
                writeln!(f, "{line} | {text}")?;
                writeln!(f, "{margin} | {}{carets}", " ".repeat(before))?;
            }
        }
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_points_at_its_word() {
        let source = "alias(\n  aprove(1));";
        let problem = Problem::at("a.rhai", source, 2, 3, "unknown function `aprove`")
            .hinted(Some("did you mean `approve`?".into()));
        let want = "error: unknown function `aprove`\n --> a.rhai:2:3\n  |\n2 |   aprove(1));\n  |   ^^^^^^\nhint: did you mean `approve`?\n";
        assert_eq!(problem.to_string(), want);
    }
}
