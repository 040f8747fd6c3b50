//! The way to an API server.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::error::{Error, Result, explain};

/// A watch is asked for no longer than this, so that a connection that died without a word is noticed.
pub(super) const WATCH_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection over which nothing comes for so long is given up; longer than [`WATCH_TIMEOUT`].
const SILENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The kubeconfig file; `KUBECONFIG` or `~/.kube/config` if none is named.
    pub kubeconfig: Option<PathBuf>,
    /// Its context; the current one if none is named.
    pub context: Option<String>,
}

/// A client, and how people call where it leads.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The kubeconfig's context.
    pub context: String,
    /// The API server's address.
    pub server: String,
}

/// Reads the kubeconfig and makes a client. No request is sent.
///
/// # Errors
///
/// When the file cannot be read or has no such context, or its certificates cannot be used.
pub async fn connect(access: &Access) -> Result<Connection> {
    let kubeconfig = read(access)?;
    let known: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|named| named.name.as_str())
        .collect();
    let context = match (&access.context, &kubeconfig.current_context) {
        (Some(named), _) if known.contains(&named.as_str()) => named.clone(),
        (Some(named), _) => {
            return Err(Error::Kubeconfig(format!(
                "there is no context {named:?}; there is {}",
                listed(&known)
            )));
        }
        (None, Some(current)) if !current.is_empty() => current.clone(),
        (None, _) => {
            return Err(Error::Kubeconfig(format!(
                "no context is current; name one with --context: {}",
                listed(&known)
            )));
        }
    };
    let options = KubeConfigOptions {
        context: Some(context.clone()),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Error::Kubeconfig(format!("context {context:?}: {error}")))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.write_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config)
        .map_err(|error| Error::Kubeconfig(format!("context {context:?}: {}", explain(&error))))?;
    Ok(Connection {
        client,
        context,
        server,
    })
}

fn read(access: &Access) -> Result<Kubeconfig> {
    match &access.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)
            .map_err(|error| Error::Kubeconfig(format!("{}: {error}", path.display()))),
        None => Kubeconfig::read().map_err(|error| Error::Kubeconfig(error.to_string())),
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::block_on;
    use super::*;

    fn kubeconfig(name: &str, current: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("scaletwin-{name}-{}.yaml", std::process::id()));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {current:?}\n\
             clusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\n\
             contexts: [{{name: test, context: {{cluster: a, user: u}}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn check(name: &str, current: &str, context: Option<&str>) -> String {
        let path = kubeconfig(name, current);
        let access = Access {
            kubeconfig: Some(path.clone()),
            context: context.map(str::to_owned),
        };
        let said = match block_on(connect(&access)) {
            Ok(connection) => format!("{} at {}", connection.context, connection.server),
            Err(error) => error.to_string(),
        };
        std::fs::remove_file(path).unwrap();
        said
    }

    #[test]
    fn a_context_is_named_or_current_and_never_guessed() {
        assert_eq!(check("named", "", Some("test")), "test at http://127.0.0.1:1/");
        assert_eq!(check("current", "test", None), "test at http://127.0.0.1:1/");
        assert_eq!(
            check("wrong", "test", Some("prod")),
            "cannot use the kubeconfig: there is no context \"prod\"; there is test"
        );
        assert_eq!(
            check("none", "", None),
            "cannot use the kubeconfig: no context is current; name one with --context: test"
        );
    }
}
