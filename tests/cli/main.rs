//! The `scaletwin` command as a person or a script meets it.

mod answers;
mod bad_input;
mod compare;
mod help;
mod results;
mod sweep;
mod sweep_effects;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a command said, and how it ended.
struct Said {
    status: i32,
    stdout: String,
    stderr: String,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("cli/ lies in the repository")
}

/// Runs the command in the repository.
fn scaletwin<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Said {
    with_environment(args, &[])
}

fn with_environment<S: AsRef<std::ffi::OsStr>>(args: &[S], environment: &[(&str, &str)]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_scaletwin"))
        .args(args)
        .current_dir(repository())
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .output()
        .expect("the binary starts");
    Said {
        status: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).expect("it speaks UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it speaks UTF-8"),
    }
}

/// An empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("the target directory can be written");
    dir
}

/// A copy of a shipped scenario, to be spoiled.
fn copied_scenario(name: &str, of: &str) -> PathBuf {
    let dir = directory(name);
    copy(&repository().join("scenarios").join(of), &dir);
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for entry in fs::read_dir(from).expect("a scenario can be listed") {
        let entry = entry.expect("a scenario can be listed");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a scenario can be copied");
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
