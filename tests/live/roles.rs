//! The roles in `live/roles`: enough, and no more.

use std::path::{Path, PathBuf};

use live::objects::write::document;
use model::document::parse_yaml;
use serde_json::Value;

use super::control_plane::ControlPlane;
use super::scaletwin::{NAMESPACE, Run, Strangers, actions, live, scenario};

/// The objects of a file of roles, those of the workload's namespace moved to the test's.
fn roles(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../live/roles")
        .join(file);
    let text = std::fs::read_to_string(path)
        .unwrap()
        .replace("hpa-example", NAMESPACE);
    let (documents, failure) = parse_yaml(&text);
    assert_eq!(failure, None);
    documents.iter().map(document).collect()
}

/// Grants everything that a run needs.
pub(crate) fn grant(plane: &ControlPlane) {
    for file in ["read.yaml", "run.yaml"] {
        roles(file).iter().for_each(|object| plane.create(object));
    }
}

/// The kubeconfig of whom it is granted to.
pub(crate) fn kubeconfig(plane: &ControlPlane) -> PathBuf {
    let token = plane.token("scaletwin", "scaletwin-live", 3600);
    plane.kubeconfig("account", plane.port(), &format!("token: '{token}'"))
}

#[test]
fn the_roles_are_enough_and_each_is_needed() {
    let Some(plane) = ControlPlane::start("roles", &[]) else {
        return;
    };
    let strangers = Strangers::settle(&plane);
    roles("read.yaml").iter().for_each(|object| plane.create(object));
    let account = kubeconfig(&plane);
    let scenario = scenario(plane.dir(), 12);
    let arguments = ["run", scenario.to_str().unwrap(), "--replications=1", "--dry-run"];

    // Who may only read may record, and is told all that is missing for a run.
    let to = format!("--out={}", plane.dir().join("read-only").display());
    let recorded = live(&account, &["record", "--duration=4s", &to])
        .output()
        .unwrap();
    assert_eq!(
        recorded.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&recorded.stderr)
    );
    let refused = live(&account, &arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stdout);
    let missing: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("problem: not allowed: "))
        .collect();
    let expected = [
        "create namespaces",
        "delete namespaces",
        "patch namespaces",
        "create services in namespace live-test",
        "delete services in namespace live-test",
        "patch services in namespace live-test",
        "create deployments of apps in namespace live-test",
        "delete deployments of apps in namespace live-test",
        "patch deployments of apps in namespace live-test",
        "patch deployments/scale of apps in namespace live-test",
        "create ingresses of networking.k8s.io in namespace live-test",
        "delete ingresses of networking.k8s.io in namespace live-test",
        "patch ingresses of networking.k8s.io in namespace live-test",
    ];
    for one in expected {
        // The namespace is there: nobody needs to make it.
        let of_namespace = one.ends_with(" namespaces");
        assert_eq!(missing.contains(&one), !of_namespace, "{one}: {missing:?}");
    }

    grant(&plane);
    let mut run = Run::start(&plane, &account, "by-account", 12, &[]);
    assert_eq!(run.end(), Some(0), "{}", run.said());
    assert!(
        actions(&run.recording())
            .iter()
            .all(|action| !action.contains("failed"))
    );
    strangers.check(&plane, "a run by an account");
}
