//! moto: Amazon's interfaces on loopback, with a memory of its own.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::control_plane::{free_port, stack_home};

/// A server that ends with the test.
pub(crate) struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    /// Starts one, if `tests/stack` has built it.
    pub(crate) fn start() -> Option<Self> {
        let program = stack_home()?.join("bin/moto/bin/moto_server");
        if !program.is_file() {
            eprintln!(
                "skipped: no {}; `just stack-build moto` makes it",
                program.display()
            );
            return None;
        }
        let port = free_port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let moto = Moto {
            child,
            url: format!("http://127.0.0.1:{port}"),
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "moto does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(moto)
    }

    /// What leads the AWS clients to it.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.url),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
        ]
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
