//! The library that stands before the syncs of a child process, and what it is told.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Compiles the library once a process.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults/power.c");
        let name = format!("power-{}.so", std::process::id());
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut compiler = Command::new("cc");
        let built = compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let built = built.arg(&library).args([source, "-ldl", "-pthread"]).output();
        let built = built.expect("a C compiler is installed: tools/install.sh installs one");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        library
    })
}

/// Lets a child run with its syncs watched below a directory.
pub fn watched(command: &mut Command, data: &Path) {
    let data = data.canonicalize().expect("is there");
    command.env("LD_PRELOAD", library()).env("POWER_DATA", data);
}

/// Lets the library keep what the syncs promise.
pub fn promised(command: &mut Command, promised: &Path) {
    command.env("POWER_PROMISED", promised);
}
