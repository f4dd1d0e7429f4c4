//! `secret(name)`: a handle that names a secret and never shows it; only what is run outside finds its value.

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};

use super::super::context::{HostResult, error};
use super::table::{HostFn, Kind, form, p, thrown};

/// Longest name of a secret, in bytes.
pub const SECRET_NAME_BYTES_MAX: usize = 100;

/// A secret, by its name.
#[derive(Debug, Clone)]
pub struct Secret(String);

impl Secret {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// How secrets are named.
pub const ROWS: &[HostFn] = &[HostFn {
    name: "secret",
    forms: &[form(&[p("name", Kind::Text)], Kind::Type("Secret"))],
    errors: &[thrown("", "when it is printed, joined to a text, compared, or kept in the log")],
    help: "Names a secret of the configuration, for the `env` of an action, or for `auth`, `headers` and `json` of a request. It shows itself to nobody; the log keeps the name.",
    example: "let token = secret(\"cloud/token\");",
    ..HostFn::PURE
}];

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Secret>("Secret").register_fn(
        "secret",
        |call: NativeCallContext, name: &str| -> HostResult<Secret> {
            checked(&call, name)?;
            Ok(Secret(name.to_owned()))
        },
    );
    for name in ["to_string", "to_debug", "print", "debug"] {
        engine.register_fn(name, |call: NativeCallContext, secret: &mut Secret| {
            refused::<String>(&call, secret)
        });
    }
    engine
        .register_fn("+", |call: NativeCallContext, secret: Secret, _: Dynamic| {
            refused::<String>(&call, &secret)
        })
        .register_fn("+", |call: NativeCallContext, _: Dynamic, secret: Secret| {
            refused::<String>(&call, &secret)
        })
        .register_fn("+", |call: NativeCallContext, _: &str, secret: Secret| {
            refused::<String>(&call, &secret)
        })
        .register_fn(
            "+=",
            |call: NativeCallContext, _: &mut ImmutableString, secret: Secret| -> HostResult<()> {
                refused(&call, &secret)
            },
        )
        .register_fn("==", |call: NativeCallContext, secret: Secret, _: Dynamic| {
            refused::<bool>(&call, &secret)
        });
}

/// What is said of a secret that would be shown.
pub const CANNOT_BE_SHOWN: &str = "a secret cannot be shown or kept: give it to the `env` of an action, or to a request as `auth`";

fn refused<T>(call: &NativeCallContext, secret: &Secret) -> Result<T, Box<EvalAltResult>> {
    let name = secret.name();
    let what = format!(
        "the secret `{name}` cannot be shown or kept: give it to the `env` of an action, or to a request as `auth`"
    );
    Err(error(call, what))
}

/// Whether a text can name a secret.
pub fn checked(call: &NativeCallContext, name: &str) -> HostResult<()> {
    match is_name(name) {
        true => Ok(()),
        false => {
            let what = format!(
                "`{name}` is no name of a secret: letters, digits and `_-./`, as in \"cloud/token\""
            );
            Err(error(call, what))
        }
    }
}

/// Names have no part that leads out of their folder, or hides.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let part = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.len() <= SECRET_NAME_BYTES_MAX && name.chars().all(fits) && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::super::trial;
    use super::*;
    use crate::script::run::End;

    #[test]
    fn names_lead_nowhere_else() {
        let long = "x".repeat(SECRET_NAME_BYTES_MAX + 1);
        for (name, fits) in [
            ("TOKEN", true),
            ("cloud/token-1.key", true),
            ("", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("../a", false),
            ("a/../b", false),
            (".hidden", false),
            ("a b", false),
            (&long, false),
            (&long[1..], true),
        ] {
            assert_eq!(is_name(name), fits, "{name}");
        }
    }

    #[test]
    fn a_handle_shows_itself_to_nobody() {
        for body in [
            "say(`${s}`)",
            "say(s)",
            "say(\"a\" + s)",
            "say(s + \"a\")",
            "say(s.to_string())",
            "say(`${[s]}`)",
            "say([s])",
            "say(#{ a: s })",
            "print(s)",
            "debug(s)",
            "throw s",
            "throw #{ message: s }",
            "remember(\"k\", s)",
            "exec(\"cloud.create_vm\", #{ name: s })",
            "ask(s)",
            "if s == \"a\" { say(\"equal\") }",
            "s",
        ] {
            let trial = trial::body(&format!("let s = secret(\"cloud/token\"); {body}"));
            let shown = format!("{:?} {:?}", trial.entries, trial.end);
            let failed = matches!(trial.end, End::Failed(_)) && trial.entries.is_empty();
            // A handle that is no value of the log is shown by the name of its type, or not at all.
            let harmless = !shown.contains("Secret(\"") && !shown.contains("equal");
            assert!(
                harmless && (failed || shown.contains("Secret") || shown.contains("Null")),
                "{body}: {shown}"
            );
        }
    }
}
