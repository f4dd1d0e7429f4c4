//! Secrets by name, from a folder of files or from the bot's own environment; read when they are used, and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Longest secret in bytes.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Shortest secret in bytes: a shorter one could not be kept out of what an action prints.
pub const SECRET_BYTES_MIN: usize = 6;

/// The value of a secret.
#[derive(Clone)]
pub struct Secret {
    /// Its name.
    pub name: String,
    value: Zeroizing<String>,
    file: Option<PathBuf>,
}

impl Secret {
    /// A secret from elsewhere.
    pub fn new(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value: Zeroizing::new(value), file: None }
    }

    /// Its value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// The file that holds it, if one does.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

/// Where secrets are.
#[derive(Clone, Default)]
pub struct Secrets {
    folder: Option<PathBuf>,
    environment: BTreeMap<String, Zeroizing<String>>,
    prefix: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({:?}, {}*)", self.folder, self.prefix)
    }
}

impl Secrets {
    /// Secrets of a folder, and of the variables of an environment whose names begin with a prefix.
    pub fn new(
        folder: Option<PathBuf>,
        prefix: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let ours = environment.filter(|(name, _)| !prefix.is_empty() && name.starts_with(prefix));
        let environment = ours.map(|(name, value)| (name, Zeroizing::new(value))).collect();
        Self { folder, environment, prefix: prefix.to_owned() }
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// Why it cannot be used and what to do, without anything of its value.
    pub fn get(&self, name: &str) -> Result<Secret, String> {
        let path = self.folder.as_ref().map(|folder| folder.join(name));
        if let Some(value) =
            path.as_deref().map(|path| self.read(path, name)).transpose()?.flatten()
        {
            return Ok(Secret { file: path, ..usable(name, value)? });
        }
        let variable = self.variable(name);
        if let Some(value) = self.environment.get(&variable) {
            return usable(name, value.to_string());
        }
        tracing::warn!(secret = name, ?path, variable, "a secret is neither a file nor a variable");
        let place = path.map_or("", |_| " a file of this name in the folder of [secrets] or");
        Err(format!(
            "there is no secret `{name}`; make{place} the variable `{variable}`, or set [secrets] in the configuration"
        ))
    }

    /// The variable that can hold a secret: `BEADLE_SECRET_CLOUD_TOKEN`.
    fn variable(&self, name: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("{}{}", self.prefix, name.chars().map(letter).collect::<String>())
    }

    fn read(&self, path: &Path, name: &str) -> Result<Option<String>, String> {
        // Rooms read what is wrong with it; where it is stands in the bot's own log alone.
        let refused = |why: String| {
            tracing::warn!(secret = name, path = %path.display(), why, "a secret cannot be used");
            why
        };
        let unreadable =
            |why: std::io::Error| refused(format!("the secret `{name}` cannot be read: {why}"));
        let meta = match std::fs::metadata(path) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(unreadable)?,
        };
        if !meta.is_file() {
            return Err(refused(format!("the secret `{name}` is not a file")));
        }
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(refused(format!(
                "the secret `{name}` can be read by others than its owner: `chmod 600` its file"
            )));
        }
        if meta.len() > SECRET_BYTES_MAX {
            let why = format!("the secret `{name}` is longer than {SECRET_BYTES_MAX} bytes");
            return Err(refused(why));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| refused(format!("the secret `{name}` is not UTF-8")))
    }
}

/// A value that can be given to a program and be found again in what it prints.
fn usable(name: &str, value: String) -> Result<Secret, String> {
    let value = Zeroizing::new(value);
    let trimmed = value.strip_suffix('\n').unwrap_or(&value);
    let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
    match () {
        () if trimmed.contains('\0') => Err(format!("the secret `{name}` has the byte 0 in it")),
        () if trimmed.trim().len() < SECRET_BYTES_MIN => Err(format!(
            "the secret `{name}` has less than {SECRET_BYTES_MIN} bytes: it could not be kept out of the log"
        )),
        () => Ok(Secret::new(name, trimmed.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_from_files_that_nobody_else_reads_and_from_variables() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8], mode: u32| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("cloud/token", b"from-a-file\n", 0o600);
        write("both", b"from-a-file", 0o400);
        write("group", b"sesame-sesame", 0o640);
        write("world", b"sesame-sesame", 0o604);
        write("binary", b"\xff\xffsesame", 0o600);
        write("nul", b"sesame\0sesame", 0o600);
        write("short", b"sesam \n", 0o600);
        write("long", &vec![b'x'; usize::try_from(SECRET_BYTES_MAX).unwrap() + 1], 0o600);
        write("longest", &vec![b'x'; usize::try_from(SECRET_BYTES_MAX).unwrap()], 0o600);
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let variables = [
            ("S_BOTH", "from-a-variable"),
            ("S_DB_PASS_1", "from-a-variable"),
            ("PATH", "/sesame"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::new(Some(dir.path().to_owned()), "S_", variables.into_iter());
        for (name, want) in [
            ("cloud/token", "from-a-file"),
            ("both", "from-a-file"),
            ("db/pass-1", "from-a-variable"),
            ("longest", "xxx"),
            ("group", "chmod 600"),
            ("world", "chmod 600"),
            ("binary", "is not UTF-8"),
            ("nul", "the byte 0"),
            ("short", "less than 6 bytes"),
            ("long", "longer than 65536 bytes"),
            ("folder", "is not a file"),
            ("none", "the variable `S_NONE`"),
        ] {
            let got = secrets.get(name);
            let shown = format!("{got:?} {secrets:?}");
            assert!(!shown.contains("sesame") && !shown.contains("from-a"), "{shown}");
            let got = got.map_or_else(|why| why, |secret| secret.expose().to_owned());
            assert!(got.contains(want), "{name}: {got}");
            let folder = dir.path().display().to_string();
            assert!(!got.contains(&folder), "{name} is told with its place: {got}");
        }
        assert_eq!(secrets.get("both").unwrap().file(), Some(dir.path().join("both").as_path()));
        assert_eq!(secrets.get("db/pass-1").unwrap().file(), None);
    }
}
