//! A TCP proxy on loopback that can be cut: what is behind it goes on.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How connections are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Everything goes through.
    Open,
    /// Connections are reset, new ones are closed at once.
    Cut,
    /// Nothing goes through, and nobody is told.
    Stalled,
}

/// A proxy before a port.
pub(crate) struct Proxy {
    port: u16,
    line: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            line: Arc::new(AtomicU8::new(Line::Open as u8)),
            open: Arc::default(),
        };
        let (line, open) = (proxy.line.clone(), proxy.open.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if line.load(Ordering::SeqCst) == Line::Cut as u8 {
                    drop(client.shutdown(Shutdown::Both));
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
                    continue;
                };
                let keep = |stream: &TcpStream| stream.try_clone().unwrap();
                open.lock().unwrap().extend([keep(&client), keep(&server)]);
                pump(keep(&client), keep(&server), line.clone());
                pump(server, client, line.clone());
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.store(line as u8, Ordering::SeqCst);
        if line == Line::Cut {
            for stream in self.open.lock().unwrap().drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, line: Arc<AtomicU8>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    while line.load(Ordering::SeqCst) == Line::Stalled as u8 {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    if to.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
            }
        }
        drop(to.shutdown(Shutdown::Both));
        drop(from.shutdown(Shutdown::Both));
    });
}
