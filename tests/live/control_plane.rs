//! etcd and an API server on loopback, for one test.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use live::cluster::{Access, Connection, Served, connect, discover};
use serde_json::{Value, json};

/// How long it may take to come up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// May do everything, and is never throttled.
const ADMIN: &str = "admin-token";
/// The issuer of ServiceAccounts' tokens.
const ISSUER: &str = "https://kubernetes.default.svc";

/// A control plane that ends with the test.
pub(crate) struct ControlPlane {
    dir: PathBuf,
    bin: PathBuf,
    etcd: Child,
    api: Child,
    api_port: u16,
    etcd_port: u16,
    extra: Vec<&'static str>,
}

impl ControlPlane {
    /// Starts one, if its programs are there. `extra` goes to the API server.
    pub(crate) fn start(name: &str, extra: &[&'static str]) -> Option<Self> {
        let bin = programs()?;
        let dir = std::env::temp_dir().join(format!("scaletwin-live-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join("tokens.csv"),
            format!("{ADMIN},admin,admin,\"system:masters\"\n"),
        )
        .unwrap();
        let key = dir.join("sa.key");
        let openssl = |arguments: &[&str]| {
            let done = Command::new("openssl")
                .args(arguments)
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .status();
            assert!(done.is_ok_and(|status| status.success()), "openssl {arguments:?}");
        };
        let (key, public) = (key.to_str().unwrap(), dir.join("sa.pub"));
        openssl(&["genrsa", "-out", key, "2048"]);
        openssl(&["rsa", "-in", key, "-pubout", "-out", public.to_str().unwrap()]);
        let (etcd_port, peer_port, api_port) = (free_port(), free_port(), free_port());
        let etcd = start_etcd(&bin, &dir, etcd_port, peer_port);
        let api = start_api(&bin, &dir, etcd_port, api_port, extra);
        let plane = ControlPlane {
            dir,
            bin,
            etcd,
            api,
            api_port,
            etcd_port,
            extra: extra.to_vec(),
        };
        plane.wait();
        Some(plane)
    }

    /// A folder of the test's own.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The API server's port.
    pub(crate) fn port(&self) -> u16 {
        self.api_port
    }

    /// Kills the API server and starts it again, after longer than we wait for an answer: what it remembered of the past is
    /// forgotten.
    pub(crate) fn restart_api(&mut self) {
        self.api.kill().unwrap();
        self.api.wait().unwrap();
        std::thread::sleep(Duration::from_secs(5));
        self.api = start_api(&self.bin, &self.dir, self.etcd_port, self.api_port, &self.extra);
        self.wait();
    }

    /// A kubeconfig with the context `test`, to `port`, with a token or the path of a file with one.
    pub(crate) fn kubeconfig(&self, name: &str, port: u16, user: &str) -> PathBuf {
        let path = self.dir.join(format!("{name}.kubeconfig"));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: test, context: {{cluster: c, user: u}}}}]\n"
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// The administrator's kubeconfig, straight to the API server.
    pub(crate) fn admin(&self) -> PathBuf {
        self.kubeconfig("admin", self.api_port, &format!("token: {ADMIN}"))
    }

    /// The administrator's, by another port.
    pub(crate) fn admin_by(&self, port: u16) -> PathBuf {
        self.kubeconfig(&format!("admin-{port}"), port, &format!("token: {ADMIN}"))
    }

    fn wait(&self) {
        let began = Instant::now();
        let admin = self.admin();
        loop {
            let up = try_with(&admin, async |connection, served| {
                let kind = served
                    .find("", "Namespace")
                    .expect("an API server has namespaces");
                let api = kind.api(&connection.client, "");
                api.get_opt("default").await.is_ok_and(|found| found.is_some())
            });
            if up == Some(true) {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "the API server does not come up; see {}",
                self.dir.display()
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Makes an object; one that is there stays.
    pub(crate) fn create(&self, object: &Value) {
        let made = with(&self.admin(), async |connection, served| {
            let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or("");
            let kind = served.exactly(text("/apiVersion"), text("/kind"));
            let kind = kind.unwrap_or_else(|| panic!("no {} of {}", text("/kind"), text("/apiVersion")));
            let api = kind.api(&connection.client, text("/metadata/namespace"));
            let body = serde_json::from_value(object.clone()).unwrap();
            api.create(&Default::default(), &body)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        });
        match made {
            Err(error) if error.contains("already exists") => {}
            made => made.unwrap(),
        }
    }

    /// Says of a Job what its controller would.
    #[cfg(feature = "cluster")]
    pub(crate) fn set_job_status(&self, namespace: &str, name: &str, status: &Value) {
        with(&self.admin(), async |connection, served| {
            let kind = served.exactly("batch/v1", "Job").expect("the kind is served");
            let api = kind.api(&connection.client, namespace);
            let patch = kube::api::Patch::Merge(json!({ "status": status }));
            let done = api.patch_status(name, &Default::default(), &patch).await;
            done.map(drop).unwrap();
        });
    }

    /// Deletes an object.
    pub(crate) fn delete(&self, api_version: &str, kind: &str, namespace: &str, name: &str) {
        with(&self.admin(), async |connection, served| {
            let kind = served.exactly(api_version, kind).expect("the kind is served");
            let api = kind.api(&connection.client, namespace);
            api.delete(name, &Default::default()).await.map(drop).unwrap();
        });
    }

    /// All objects of a kind in a namespace, as JSON.
    pub(crate) fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Value> {
        with(&self.admin(), async |connection, served| {
            let kind = served.exactly(api_version, kind).expect("the kind is served");
            let list = kind
                .api(&connection.client, namespace)
                .list(&Default::default())
                .await;
            let all = list.unwrap().items;
            all.iter()
                .map(|object| serde_json::to_value(object).unwrap())
                .collect()
        })
    }

    /// A token of a ServiceAccount that is valid until `expires`, seconds from now.
    pub(crate) fn token(&self, namespace: &str, account: &str, expires: i64) -> String {
        let accounts = self.list("v1", "ServiceAccount", namespace);
        let own = accounts
            .iter()
            .find(|object| object["metadata"]["name"] == account);
        let uid = own.expect("the account is there")["metadata"]["uid"].clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({
            "iss": ISSUER, "aud": [ISSUER], "sub": format!("system:serviceaccount:{namespace}:{account}"),
            "iat": now - 3600, "nbf": now - 3600, "exp": now + expires,
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": account, "uid": uid } },
        });
        let signed = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let input = self.dir.join("claims");
        fs::write(&input, &signed).unwrap();
        let signature = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(self.dir.join("sa.key"))
            .arg(&input)
            .output()
            .expect("openssl runs");
        assert!(signature.status.success());
        format!("{signed}.{}", base64url(&signature.stdout))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The API server first: without etcd it would not end.
        for child in [&mut self.api, &mut self.etcd] {
            drop(child.kill());
            drop(child.wait());
        }
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.dir));
        }
    }
}

/// Where `tests/stack` builds to.
pub(crate) fn stack_home() -> Option<PathBuf> {
    let home = std::env::var_os("SCALETWIN_STACK").map(PathBuf::from);
    let default = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/scaletwin/stack"));
    home.or_else(default)
}

/// Where the programs are; a message if they are nowhere.
fn programs() -> Option<PathBuf> {
    let bin = stack_home()?.join("bin");
    let openssl = Command::new("openssl").arg("version").output().is_ok();
    let there = ["etcd", "kube-apiserver"]
        .iter()
        .all(|name| bin.join(name).is_file());
    if there && openssl {
        return Some(bin);
    }
    eprintln!(
        "skipped: no etcd and kube-apiserver in {}, or no openssl; `just stack-build` builds the former",
        bin.display()
    );
    None
}

fn start_etcd(bin: &Path, dir: &Path, port: u16, peer: u16) -> Child {
    let (client, peer) = (
        format!("http://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{peer}"),
    );
    Command::new(bin.join("etcd"))
        .arg("--name=t")
        .arg(format!("--data-dir={}", dir.join("etcd").display()))
        .args([
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=t={peer}"),
            "--unsafe-no-fsync".to_owned(),
        ])
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("etcd.log")).unwrap())
        .spawn()
        .expect("etcd starts")
}

fn start_api(bin: &Path, dir: &Path, etcd: u16, port: u16, extra: &[&str]) -> Child {
    let path = |name: &str| dir.join(name).display().to_string();
    Command::new(bin.join("kube-apiserver"))
        .args([
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", path("api")),
            format!("--service-account-key-file={}", path("sa.pub")),
            format!("--service-account-signing-key-file={}", path("sa.key")),
            format!("--service-account-issuer={ISSUER}"),
            format!("--token-auth-file={}", path("tokens.csv")),
        ])
        .args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            // Nobody makes the account `default`.
            "--disable-admission-plugins=ServiceAccount",
        ])
        .args(extra)
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("api.log")).unwrap())
        .spawn()
        .expect("kube-apiserver starts")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(n >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// Asks a cluster something, if it answers.
fn try_with<T>(kubeconfig: &Path, ask: impl AsyncFnOnce(&Connection, &Served) -> T) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let access = Access {
            kubeconfig: Some(kubeconfig.to_owned()),
            context: Some("test".to_owned()),
        };
        let connection = connect(&access).await.ok()?;
        let served = discover(&connection.client).await.ok()?;
        Some(ask(&connection, &served).await)
    })
}

fn with<T>(kubeconfig: &Path, ask: impl AsyncFnOnce(&Connection, &Served) -> T) -> T {
    try_with(kubeconfig, ask).expect("the API server answers")
}
