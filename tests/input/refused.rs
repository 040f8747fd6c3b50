//! Manifests that the API server refuses, and what it takes that looks wrong.

use model::scenario::Severity;

use crate::sample::{MANIFESTS, SCENARIO, files, loaded, with};

/// The first error about a manifest beside the sample, without its hint; what is no error is empty.
fn first_error(manifest: &str) -> String {
    let (_, report) = loaded(&with(manifest));
    let mut errors = report
        .problems
        .iter()
        .filter(|own| own.severity == Severity::Error);
    errors.next().map_or_else(String::new, |own| own.message.clone())
}

/// Deployment `x` whose pod spec begins with some fields, and whose container ends with others.
fn deployment(of_pod: &str, of_container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x, namespace: shop}}\nspec:\n  \
         selector: {{matchLabels: {{app: x}}}}\n  template:\n    metadata: {{labels: {{app: x}}}}\n    \
         spec: {{{of_pod}containers: [{{name: c, image: \"x:1\"{of_container}}}]}}\n"
    )
}

#[track_caller]
fn check(manifest: &str, expected: &str) {
    let said = first_error(manifest);
    assert!(
        said == expected || !expected.is_empty() && said.contains(expected),
        "{said:?} instead of {expected:?}\n{manifest}"
    );
}

#[test]
fn what_containers_say() {
    let probe = |fields: &str| format!(", readinessProbe: {{{fields}}}");
    for (of_container, expected) in [
        (
            ", env: [{name: A, value: 8080}]".to_owned(),
            "expected a text, found 8080",
        ),
        (", env: [{name: A, value: \"8080\"}]".to_owned(), ""),
        (
            ", env: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]".to_owned(),
            "value and valueFrom exclude each other",
        ),
        (", command: sh -c x".to_owned(), "expected a list, found"),
        (", args: [a, 1]".to_owned(), "expected a text, found 1"),
        (", tty: \"yes\"".to_owned(), "expected true or false"),
        (
            ", securityContext: {runAsUser: x}".to_owned(),
            "expected a whole number",
        ),
        (
            ", ports: [{containerPort: 80, name: http}, {containerPort: 81, name: http}]".to_owned(),
            "two ports are called \"http\"",
        ),
        (
            ", ports: [{containerPort: 80, name: metrics-exporter}]".to_owned(),
            "is no name for a port",
        ),
        (", ports: [{containerPort: 80, hostPort: 0}]".to_owned(), ""),
        (
            ", volumeMounts: [{name: v, mountPath: /a}]".to_owned(),
            "the pod has no volume \"v\"",
        ),
        (
            probe("tcpSocket: {port: 80}, periodSeconds: 0, failureThreshold: 0"),
            "",
        ),
        (
            probe("periodSeconds: 3"),
            "nothing says what is to be asked or done",
        ),
        (
            probe("tcpSocket: {port: 80}, exec: {command: [a]}"),
            "exec and tcpSocket exclude each other",
        ),
        (
            ", livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}".to_owned(),
            "successThreshold of a livenessProbe must be 1",
        ),
        (
            ", lifecycle: {preStop: {sleep: {seconds: 31}}}".to_owned(),
            "a sleep of 31 s is longer than terminationGracePeriodSeconds, 30",
        ),
        (
            ", lifecycle: {preStop: {sleep: {seconds: 5}, exec: {command: [a]}}}".to_owned(),
            "exec and sleep exclude each other",
        ),
    ] {
        check(&deployment("", &of_container), expected);
    }
}

#[test]
fn what_pods_say() {
    let spread = "{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}";
    for (of_pod, of_container, expected) in [
        (
            "hostNetwork: true, ",
            ", ports: [{containerPort: 80, hostPort: 81}]",
            "the hostPort must be the containerPort, 80",
        ),
        (
            "hostNetwork: true, ",
            ", ports: [{containerPort: 80}, {containerPort: 80}]",
            "the pod takes port 80 of its node twice",
        ),
        (
            "initContainers: [{name: c, image: a}], ",
            "",
            "an init container and a container are called \"c\"",
        ),
        (
            "initContainers: [{name: i, image: a, lifecycle: {preStop: {sleep: {seconds: 1}}}}], ",
            "",
            "an init container takes no lifecycle",
        ),
        (
            "volumes: [{name: v, emptyDir: {}, hostPath: {path: /}}], ",
            "",
            "a volume has one source, found emptyDir and hostPath",
        ),
        (
            "volumes: [{name: v}], ",
            ", volumeMounts: [{name: v, mountPath: /a}]",
            "",
        ),
        (
            &*format!("topologySpreadConstraints: [{spread}, {spread}], "),
            "",
            "a second constraint of zone that says DoNotSchedule",
        ),
        (
            "runtimeClassName: gvisor, ",
            "",
            "there is no RuntimeClass \"gvisor\"",
        ),
        (
            "overhead: {cpu: 10m}, ",
            "",
            "the overhead is not that of the pod's RuntimeClass",
        ),
    ] {
        check(&deployment(of_pod, of_container), expected);
    }
    let plain = deployment("", "");
    check(
        &plain.replace("namespace: shop", "namespace: shop, labels: {version: 1.0}"),
        "expected a text, found 1.0",
    );
    check(
        &plain.replace("namespace: shop", "namespace: shop, labels: {version: a b}"),
        "\"a b\" is no label's value",
    );
    let long = plain.replace("spec:\n  selector", "spec:\n  minReadySeconds: 600\n  selector");
    check(&long, "must be greater than minReadySeconds, 600");
    check(
        &long.replace("  selector", "  progressDeadlineSeconds: 601\n  selector"),
        "",
    );
}

#[test]
fn what_services_ingresses_and_data_say() {
    let service = |spec: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: shop}}\nspec: {{{spec}}}\n")
    };
    let ingress = |spec: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i, namespace: shop}}\nspec: {{{spec}}}\n"
        )
    };
    let path = |path: &str| {
        let backend = "backend: {service: {name: web, port: {number: 80}}}";
        ingress(&format!("rules: [{{http: {{paths: [{{{path}{backend}}}]}}}}]"))
    };
    for (manifest, expected) in [
        (service("selector: {app: web}"), "a Service has at least one port"),
        (service("selector: {app: web}, clusterIP: None"), ""),
        (service("ports: [{port: 80}, {port: 81}]"), "name is missing"),
        (
            service("ports: [{port: 53, name: a}, {port: 53, name: b, protocol: UDP}]"),
            "",
        ),
        (
            service("type: NodePort, ports: [{port: 80, nodePort: 80}]"),
            "expected a port from 30000 to 32767, found 80",
        ),
        (
            service("ports: [{port: 80, nodePort: 30080}]"),
            "a Service of type ClusterIP has no nodePort",
        ),
        (path("path: /a, pathType: Prefix, "), ""),
        (path("pathType: ImplementationSpecific, "), ""),
        (path("path: /a, "), "pathType is missing"),
        (
            path("path: a, pathType: Prefix, "),
            "a path begins with \"/\", found \"a\"",
        ),
        (ingress(""), "either defaultBackend or rules is needed"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: 1}\n".to_owned(),
            "expected a text, found 1",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\nstringData: {a: \"1\"}\n".to_owned(),
            "",
        ),
    ] {
        check(&manifest, expected);
    }
}

#[test]
fn targets_of_hpas_go_by_their_fields() {
    let of = |metric: &str| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\nspec:\n  \
             scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  maxReplicas: 9\n  metrics: [{{{metric}}}]\n"
        )
    };
    let resource = |target: &str| {
        of(&format!(
            "type: Resource, resource: {{name: cpu, target: {{{target}}}}}"
        ))
    };
    for (manifest, expected) in [
        (resource("type: AverageValue, averageUtilization: 50"), ""),
        (resource("type: Value, averageValue: 100m"), ""),
        (resource("averageUtilization: 50"), "type is missing"),
        (
            resource("type: Value, value: 5"),
            "either averageUtilization or averageValue is needed",
        ),
        (
            resource("type: Utilization, averageUtilization: 50, value: 0"),
            "the target must be above 0",
        ),
        (
            of(
                "type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}, pods: {}",
            ),
            "a metric of this type has resource, and no pods",
        ),
        (
            of(
                "type: Object, object: {metric: {name: a}, describedObject: {kind: Service, name: web}, target: {type: Value, averageValue: 5}}",
            ),
            "of an object the controller reads value, by the type, and finds none",
        ),
    ] {
        check(&manifest, expected);
    }
}

#[test]
fn what_kedas_and_other_operators_made_is_passed_over() {
    let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: keda-hpa-web, namespace: shop, \
               ownerReferences: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: web, uid: x}]}\nspec: {}\n";
    let (scenario, report) = loaded(&with(hpa));
    assert!(scenario.is_some_and(|own| own.objects.hpas.is_empty()));
    assert!(
        report.to_string().contains("KEDA made it for ScaledObject/web"),
        "{report}"
    );
    let vpa = |mode: &str| {
        format!(
            "apiVersion: autoscaling.k8s.io/v1\nkind: VerticalPodAutoscaler\nmetadata: {{name: v}}\nspec: {{updatePolicy: {{updateMode: {mode}}}}}\n"
        )
    };
    check(&vpa("\"Off\""), "");
    check(&vpa("Auto"), "cannot be simulated");
}

#[test]
fn node_classes_that_the_crd_refuses() {
    let of = |more: &str| {
        format!(
            "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {{name: c}}\nspec:\n{}",
            "  role: r\n  amiSelectorTerms: [{alias: al2023@latest}]\n  subnetSelectorTerms: [{tags: {a: b}}]\n  \
             securityGroupSelectorTerms: [{tags: {a: b}}]\n"
        ) + more
    };
    let instead = |from: &str, to: &str| of("").replacen(from, to, 1);
    for (manifest, expected) in [
        (of(""), ""),
        (
            instead("[{alias: al2023@latest}]", "[{id: ami-1}]\n  amiFamily: Ubuntu"),
            "found \"Ubuntu\"",
        ),
        (instead("al2023@", "ubuntu@"), "expected an alias such as"),
        (
            instead("latest}", "latest}, {id: ami-1}"),
            "an alias is the only term",
        ),
        (
            instead("latest}", "latest, name: a}"),
            "alias and name of one term exclude each other",
        ),
        (
            instead("subnetSelectorTerms: [{tags: {a: b}}]", "subnetSelectorTerms: []"),
            "at least one term is needed",
        ),
        (
            instead(
                "subnetSelectorTerms: [{tags: {a: b}}]",
                "subnetSelectorTerms: [{}]",
            ),
            "a term selects by something",
        ),
        (
            instead(
                "subnetSelectorTerms: [{tags: {a: b}}]",
                "subnetSelectorTerms: [{id: subnet-1, tags: {a: b}}]",
            ),
            "id and tags of one term exclude each other",
        ),
        // The rule looks for a list without any right term.
        (
            instead(
                "subnetSelectorTerms: [{tags: {a: b}}]",
                "subnetSelectorTerms: [{id: subnet-1, tags: {a: b}}, {id: subnet-2}]",
            ),
            "",
        ),
        (instead("role: r", "role: \"\""), "role is empty"),
        (of("  tags: {kubernetes.io/cluster/a: owned}\n"), "is reserved"),
        (
            of("  metadataOptions: {httpPutResponseHopLimit: 65}\n"),
            "expected a whole number from 1 to 64, found 65",
        ),
        (
            of("  associatePublicIPAddress: \"true\"\n"),
            "expected true or false",
        ),
    ] {
        check(&manifest, expected);
    }
}

/// What admission adds: tolerations of the resources asked for, the host's ports, what a RuntimeClass says.
#[test]
fn what_admission_adds_to_pods() {
    let class = "---\napiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: gvisor}\nhandler: runsc\n\
                 overhead: {podFixed: {cpu: 250m}}\nscheduling: {nodeSelector: {runtime: gvisor}, tolerations: [{key: gvisor, operator: Exists}]}\n";
    let more = deployment(
        "runtimeClassName: gvisor, hostNetwork: true, ",
        ", ports: [{containerPort: 8080}], resources: {requests: {cpu: 100m}, limits: {nvidia.com/gpu: 1}}",
    ) + class;
    let files = files(
        SCENARIO,
        &[("manifests/web.yaml", MANIFESTS), ("manifests/more.yaml", &more)],
    );
    let (scenario, report) = loaded(&files);
    let scenario = scenario.unwrap_or_else(|| panic!("{report}"));
    let own = scenario
        .objects
        .deployments
        .iter()
        .find(|own| own.object.name == "x");
    let spec = &own.expect("it is there").object.template.spec;
    let keys: Vec<&str> = spec.tolerations.iter().map(|own| own.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            "nvidia.com/gpu",
            "gvisor"
        ]
    );
    assert_eq!(spec.containers[0].ports[0].host_port, Some(8080));
    assert_eq!(spec.requests().cpu.0, 350);
    assert_eq!(
        spec.node_selector.get("runtime").map(String::as_str),
        Some("gvisor")
    );
}
