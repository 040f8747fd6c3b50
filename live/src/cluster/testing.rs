//! An API server for tests: a function from requests to answers, and what it was asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use sim::SortedMap;
use tokio::runtime::{Builder, Runtime};

use crate::recording::{Header, Maker, VERSION};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

type Answer = dyn Fn(&Asked) -> (u16, Value) + Send + Sync;

/// An API server that answers as a test says.
#[derive(Clone)]
pub(crate) struct Fake {
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) fn new(answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Fake {
            answer: Arc::new(answer),
            asked: Arc::default(),
        }
    }

    pub(crate) fn client(&self) -> Client {
        RUNTIME.with(|runtime| {
            let _guard = runtime.enter();
            Client::new(self.clone(), "default")
        })
    }

    async fn serve(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (head, body) = request.into_parts();
        let bytes = body.collect_bytes().await?;
        let asked = Asked {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or("").to_owned(),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        };
        let (code, answer) = (self.answer)(&asked);
        self.asked.lock().expect("no test panics in between").push(asked);
        let text = match answer {
            Value::String(text) => text,
            json => json.to_string(),
        };
        let response = Response::builder()
            .status(code)
            .header("date", "Thu, 02 Jan 2025 03:04:05 GMT")
            .body(Body::from(text.into_bytes()))
            .expect("the status of a test is valid");
        Ok(response)
    }

    pub(crate) fn requests(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics in between").clone()
    }

    /// `METHOD path`, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| format!("{} {}", asked.method, asked.path);
        self.requests().iter().map(line).collect()
    }

    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": message, "reason": reason, "code": code })
    }
}

impl tower_service::Service<Request<Body>> for Fake {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fake = self.clone();
        Box::pin(async move { fake.serve(request).await })
    }
}

/// A recording's header.
pub(crate) fn header() -> Header {
    Header {
        version: VERSION,
        run: "r1".to_owned(),
        made_by: Maker::Live,
        scenario: None,
        epoch: String::new(),
        versions: SortedMap::new(),
        sets: Vec::new(),
        region: None,
        cluster: None,
    }
}

thread_local! {
    /// Each test runs on a thread of its own. A client needs the runtime that it is made in.
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be had");
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}
