//! Ends what the lab started, also when the test process is killed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

/// A child that waits for the end of its input, which comes with the end of this process, and then cleans up.
pub struct Reaper {
    input: Mutex<Option<ChildStdin>>,
    child: Child,
}

/// Reads `+group` and `-group`; at the end kills the groups that are left and removes the directory `$1`.
const SCRIPT: &str = r#"
groups=
while read -r change; do
    case $change in
        +*) groups="$groups ${change#+}" ;;
        -*) groups=$(printf '%s\n' $groups | grep -vx "${change#-}" | tr '\n' ' ') ;;
    esac
done
for group in $groups; do kill -9 "-$group"; done
for try in 1 2 3 4 5; do rm -rf "$1" && break; sleep 0.1; done
"#;

impl Reaper {
    /// Starts the reaper for `dir`, in a process group of its own, so that Ctrl-C does not reach it.
    pub fn of(dir: &Path) -> Reaper {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let input = Mutex::new(child.stdin.take());
        Reaper { input, child }
    }

    /// Kills process group `group` at the end.
    pub fn watch(&self, group: u32) {
        self.tell(&format!("+{group}\n"));
    }

    /// Forgets a process group that has ended.
    pub fn forget(&self, group: u32) {
        self.tell(&format!("-{group}\n"));
    }

    fn tell(&self, change: &str) {
        let mut input = self.input.lock().unwrap();
        let input = input.as_mut().expect("the input is open until the drop");
        input.write_all(change.as_bytes()).expect("the reaper reads");
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.input.lock().unwrap().take());
        let _ = self.child.wait();
    }
}
