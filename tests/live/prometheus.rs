//! Something that answers as a Prometheus does, and can stop doing so.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

/// Says 7 to every question.
pub(crate) struct Prometheus {
    port: u16,
    down: Arc<AtomicBool>,
}

impl Prometheus {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let down = Arc::new(AtomicBool::new(false));
        let own = down.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let down = own.clone();
                std::thread::spawn(move || drop(serve(stream, &down)));
            }
        });
        Prometheus { port, down }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

fn serve(stream: TcpStream, down: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 || down.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let data = match first.as_str() {
            path if path.contains("/buildinfo") => json!({ "version": "3.5.0" }),
            path if path.contains("/query_range") => json!({ "resultType": "matrix", "result": [
                { "metric": {}, "values": [[now - 2.0, "7"], [now - 1.0, "7"]] } ] }),
            _ => json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [now, "7"] }] }),
        };
        let body = json!({ "status": "success", "data": data }).to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}
