use serde_json::{Value, json};

use super::*;
use crate::workload::container;

fn read(items: Vec<Value>) -> ClusterObjects {
    let list = json!({"kind": "List", "items": items}).to_string();
    ClusterObjects::read([(list.as_bytes(), "run.json")]).unwrap_or_else(|faults| panic!("{faults}"))
}

fn pod(name: &str, owner: Option<(&str, &str)>, labels: Value, address: &str) -> Value {
    let owners = owner.map(|(kind, name)| json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true}));
    json!({
        "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "labels": labels,
            "ownerReferences": owners.into_iter().collect::<Vec<_>>()},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    })
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_pod_belongs_to_what_people_deploy() {
    for (name, owner, labels, known) in [
        (
            "web-5d8f-x2x4z",
            Some(("ReplicaSet", "web-5d8f")),
            json!({"pod-template-hash": "5d8f"}),
            "Deployment web",
        ),
        ("web-5d8f-x2x4z", Some(("ReplicaSet", "web-5d8f")), json!({}), "ReplicaSet web-5d8f"),
        (
            "web-77-x2x4z",
            Some(("ReplicaSet", "web-77")),
            json!({"rollouts-pod-template-hash": "77"}),
            "Rollout web",
        ),
        ("backup-29384756-abcde", Some(("Job", "backup-29384756")), json!({}), "CronJob backup"),
        ("migrate-2-abcde", Some(("Job", "migrate-2")), json!({}), "Job migrate-2"),
        ("db-0", Some(("StatefulSet", "db")), json!({}), "StatefulSet db"),
        ("etcd-n1", Some(("Node", "n1")), json!({}), "StaticPod etcd"),
        ("debug", None, json!({}), "Pod debug"),
    ] {
        let objects = read(vec![pod(name, owner, labels, "10.0.0.1")]);
        let Workload { kind, name, .. } = &objects.pods[0].workload;
        assert_eq!(format!("{kind} {name}"), known);
    }
}

#[test]
fn a_pod_is_found_by_its_cgroup_and_by_its_address() {
    const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";
    let (id, manifest) = ("a".repeat(64), "b".repeat(32));
    let mut web = pod("web", None, json!({}), "10.0.0.1");
    web["metadata"]["uid"] = json!(UID);
    web["status"]["containerStatuses"] = json!([{"name": "c", "image": "i", "imageID": "i", "ready": true,
        "restartCount": 0, "containerID": format!("containerd://{id}")}]);
    // Whoever says that he is somebody else is nobody else.
    let mut forger = pod("a-forger", None, json!({}), "10.0.0.66");
    forger["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": UID});
    let mut etcd = pod("etcd-n1", Some(("Node", "n1")), json!({}), "172.16.0.1");
    etcd["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": manifest});
    etcd["spec"]["hostNetwork"] = json!(true);
    let mut done = pod("done", None, json!({}), "10.0.0.1");
    done["status"]["phase"] = json!("Succeeded");
    let gone = {
        let mut gone = pod("gone", None, json!({}), "10.0.0.5");
        gone["status"]["phase"] = json!("Failed");
        gone
    };
    let objects = read(vec![forger, done, web, etcd, gone]);
    let name = |pod: Option<&Pod>| pod.map(|pod| pod.name.clone());
    let of_cgroup = |path: &str| name(container(path).and_then(|found| objects.pod_of(&found)));
    assert_eq!(
        of_cgroup(&format!("/kubepods/burstable/pod{UID}/{}", "c".repeat(64))).as_deref(),
        Some("web")
    );
    assert_eq!(of_cgroup(&format!("/system.slice/docker-{id}.scope")).as_deref(), Some("web"));
    assert_eq!(of_cgroup(&format!("/kubepods/pod{manifest}/{}", "d".repeat(64))).as_deref(), Some("etcd-n1"));
    assert_eq!(of_cgroup("/system.slice/kubelet.service"), None);
    // The address of what has ended is another's by now; a node's address is no pod's.
    assert_eq!(name(objects.pod_at(address("10.0.0.1"))).as_deref(), Some("web"));
    assert_eq!(objects.pod_at(address("172.16.0.1")), None);
    // Nobody else has taken this one.
    assert_eq!(name(objects.pod_at(address("10.0.0.5"))).as_deref(), Some("gone"));
}

#[test]
fn a_service_leads_to_its_pods_and_to_the_port_that_each_has() {
    let service = json!({
        "kind": "Service", "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"], "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080}, {"name": "dns", "port": 53, "protocol": "UDP"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}},
    });
    let mut other = pod("web-2", None, json!({"app": "web"}), "10.0.0.2");
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(9090);
    let stranger = pod("db", None, json!({"app": "db"}), "10.0.0.3");
    let objects = read(vec![service, pod("web-1", None, json!({"app": "web"}), "10.0.0.1"), other, stranger]);
    let at = |text: &str, port, protocol| {
        let (service, port) = objects.service_at(address(text), port, protocol)?;
        Some(
            objects
                .behind(service, port)
                .map(|(pod, port)| format!("{}:{port}", pod.name))
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    for front in ["10.96.0.7", "fd00::7", "203.0.113.9"] {
        assert_eq!(at(front, 80, Protocol::Tcp).as_deref(), Some("web-1:8080 web-2:9090"), "{front}");
    }
    assert_eq!(at("10.96.0.7", 53, Protocol::Udp).as_deref(), Some("web-1:53 web-2:53"));
    assert_eq!(at("10.96.0.7", 53, Protocol::Tcp), None);
    assert_eq!(at("10.96.0.8", 80, Protocol::Tcp), None);
}

#[test]
fn a_workload_is_selected_by_labels_that_stay_and_says_whom_else_they_select() {
    let objects = read(vec![
        pod(
            "web-1-a",
            Some(("ReplicaSet", "web-1")),
            json!({"app": "web", "pod-template-hash": "1"}),
            "10.0.0.1",
        ),
        pod(
            "web-2-b",
            Some(("ReplicaSet", "web-2")),
            json!({"app": "web", "pod-template-hash": "2"}),
            "10.0.0.2",
        ),
        pod("db-0", Some(("StatefulSet", "db")), json!({"app": "db"}), "10.0.0.3"),
        pod("copy", None, json!({"app": "db"}), "10.0.0.4"),
    ]);
    let selector = |pod: usize| {
        let (labels, also) = objects.selector(&objects.pods[pod].workload);
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (labels.join(","), also.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
    };
    let of = |name: &str| selector(objects.pods.iter().position(|pod| pod.name == name).expect("a pod"));
    assert_eq!(of("web-2-b"), ("app=web".to_owned(), String::new()));
    assert_eq!(of("db-0"), ("app=db".to_owned(), "shop/copy".to_owned()));
    assert_eq!(
        objects.namespaces["shop"].get("kubernetes.io/metadata.name").map(String::as_str),
        Some("shop")
    );
}

#[test]
fn what_is_in_two_files_is_one() {
    let list = json!({"items": [pod("web", None, json!({}), "10.0.0.1"),
        {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}}]})
    .to_string();
    let files = [(list.as_bytes(), "one.json"), (list.as_bytes(), "other.json")];
    let objects = ClusterObjects::read(files).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(objects.pods.len(), 1);
    assert_eq!(objects.namespaces["shop"].len(), 2);
    // One that was replaced meanwhile is two, though both have its name.
    let mut after = pod("web", None, json!({}), "10.0.0.2");
    after["metadata"]["uid"] = json!("uid-of-another");
    let after = json!({"items": [after]}).to_string();
    let files = [(list.as_bytes(), "before.json"), (after.as_bytes(), "after.json")];
    let objects = ClusterObjects::read(files).unwrap_or_else(|faults| panic!("{faults}"));
    let is_web = |text: &str| objects.pod_at(address(text)).is_some_and(|pod| pod.name == "web");
    assert!(is_web("10.0.0.1") && is_web("10.0.0.2"));
}

#[test]
fn nodes_have_labels_and_the_api_server_is_what_its_service_says() {
    let slice = |namespace: &str, service: &str, address: &str| {
        json!({"kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [{"addresses": [address]}],
            "metadata": {"namespace": namespace, "name": "s", "labels": {"kubernetes.io/service-name": service}}})
    };
    let objects = read(vec![
        json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "host1"}}}),
        slice("default", "kubernetes", "172.16.0.1"),
        slice("shop", "kubernetes", "172.16.0.2"),
        slice("default", "web", "172.16.0.3"),
    ]);
    assert_eq!(objects.nodes["n1"]["kubernetes.io/hostname"], "host1");
    assert_eq!(objects.api_servers, [address("172.16.0.1")].into());
}
