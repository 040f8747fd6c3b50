//! Parts of the stack of `tests/stack`, under a folder of the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::control_plane::stack_home;

/// Some parts that end with the test.
pub(crate) struct Stack {
    home: PathBuf,
    launcher: PathBuf,
}

impl Stack {
    /// Starts parts, if all of their programs are there, and Go.
    pub(crate) fn start(name: &str, parts: &[&str]) -> Option<Self> {
        let bin = stack_home()?.join("bin");
        let missing: Vec<&str> = parts
            .iter()
            .copied()
            .filter(|part| !bin.join(part).is_file())
            .collect();
        if !missing.is_empty() || Command::new("go").arg("version").output().is_err() {
            eprintln!(
                "skipped: no Go, or no {} in {}; `just stack-build` builds them",
                missing.join(", "),
                bin.display()
            );
            return None;
        }
        let home = std::env::temp_dir().join(format!("scaletwin-stack-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&home));
        std::fs::create_dir_all(&home).unwrap();
        std::os::unix::fs::symlink(&bin, home.join("bin")).unwrap();
        let launcher = home.join("launcher");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&launcher)
            .arg(".")
            .current_dir(sources())
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the launcher builds");
        let stack = Stack { home, launcher };
        stack.launch("up", parts);
        Some(stack)
    }

    /// A folder of the test's own.
    pub(crate) fn dir(&self) -> &Path {
        &self.home
    }

    /// The administrator's kubeconfig, with the context `stack`.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.home.join("run/pki/admin.kubeconfig")
    }

    /// `up`, `kill`, `start`, …
    pub(crate) fn launch(&self, verb: &str, parts: &[&str]) {
        let done = self
            .command(verb)
            .args(parts)
            .output()
            .expect("the launcher runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "launcher {verb} {parts:?}: {said}");
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.launcher);
        command
            .arg(verb)
            .env("SCALETWIN_STACK", &self.home)
            .current_dir(sources());
        command
    }
}

/// The launcher's sources.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/stack/launcher")
}

impl Drop for Stack {
    fn drop(&mut self) {
        let ended = self.command("down").status();
        if ended.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            drop(std::fs::remove_dir_all(&self.home));
        }
    }
}
