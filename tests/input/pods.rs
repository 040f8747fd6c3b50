//! What pods' manifests come to.

use crate::sample::{MANIFESTS, SCENARIO, files, loaded};

/// What a pod's own stanza comes to: limits are the requests of what nothing names, and a quota of the whole pod.
#[test]
fn pod_level_limits_become_requests() {
    let with_stanza = |containers: &str, stanza: &str| {
        let web = MANIFESTS
            .replace("    spec:\n      containers:\n        - name: web", &format!(
                "    spec:\n      resources: {stanza}\n      containers:\n        - name: web"
            ))
            .replace("            requests:\n              cpu: 500m\n              memory: 256Mi\n            limits:\n              cpu: \"1\"\n", containers);
        let files = files(SCENARIO, &[("manifests/web.yaml", &web)]);
        let scenario = loaded(&files).0.expect("it runs");
        let spec = &scenario.objects.deployments[0].object.template.spec;
        let requests = spec.requests();
        (
            requests.cpu.0,
            requests.memory.0 >> 20,
            spec.cpu_limit().map(|limit| limit.0),
        )
    };
    let own = "            requests:\n              cpu: 500m\n              memory: 256Mi\n            limits:\n              cpu: \"1\"\n";
    let none = "            {}\n";
    let limits = "{limits: {cpu: 800m, memory: 1Gi}}";
    assert_eq!(with_stanza(own, limits), (500, 256, Some(800)));
    assert_eq!(with_stanza(none, limits), (800, 1024, Some(800)));
    let both = "{requests: {cpu: 600m}, limits: {cpu: 2, memory: 1Gi}}";
    assert_eq!(with_stanza(own, both), (600, 256, Some(1000)));
    assert_eq!(with_stanza(none, both), (600, 1024, Some(2000)));
}
