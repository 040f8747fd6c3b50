//! What Prometheus scrapes.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::exposition;

/// A scrape: whoever has the answer sends it there.
pub(super) type Scrape = oneshot::Sender<String>;

/// Serves `/metrics` and `/healthz` until it is dropped.
pub(super) async fn serve(listener: TcpListener, scrapes: mpsc::UnboundedSender<Scrape>) {
    loop {
        // A connection that could not be accepted is the client's loss: Prometheus tries again.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let scrapes = scrapes.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, scrapes.clone()));
            let connection = hyper::server::conn::http1::Builder::new();
            // It ends when the client hangs up, however it does.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    scrapes: mpsc::UnboundedSender<Scrape>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = |status: StatusCode, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response
    };
    if request.method() != Method::GET {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n"));
    }
    match request.uri().path() {
        "/healthz" => Ok(plain(StatusCode::OK, "ok\n")),
        "/metrics" => {
            let (tell, told) = oneshot::channel();
            let text = match scrapes.send(tell) {
                Ok(()) => told.await.ok(),
                Err(_) => None,
            };
            let Some(text) = text else {
                return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "the emulator is ending\n"));
            };
            let mut response = Response::new(Full::new(Bytes::from(text)));
            let kind = HeaderValue::from_static(exposition::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, kind);
            Ok(response)
        }
        _ => Ok(plain(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n")),
    }
}
