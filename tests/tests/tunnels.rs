//! Tunnels of the kernel: no hook sees their datagrams, so nobody may say that there were none.

use std::{net::UdpSocket, process::Command};

use flowdrift_tests::{
    namespace::{TestNamespace, join},
    needs,
    recorder::Recorder,
};

const VXLAN: u16 = 4_789;

#[test]
fn a_tunnel_s_port_is_the_kernel_s_and_a_server_s_is_not() {
    const TEST: &str = "a_tunnel_s_port_is_the_kernel_s_and_a_server_s_is_not";
    if !needs::root(TEST) {
        return;
    }
    let [near, far] = ["near", "far"].map(TestNamespace::new);
    join("v0", (&near, "10.81.0.1/24"), (&far, "10.81.0.2/24"));
    let port = VXLAN.to_string();
    let link =
        ["-n", near.name(), "link", "add", "x0", "type", "vxlan", "id", "7", "dstport", &port, "dev", "v0"];
    let has_vxlan = Command::new("ip").args(link).status().is_ok_and(|status| status.success());
    if !needs::found(TEST, "it needs VXLAN", has_vxlan) {
        return;
    }
    near.ip(&["link", "set", "x0", "up"]);
    let _server = near.run(|| UdpSocket::bind(("0.0.0.0", 5_353)).expect("the port is free"));
    let ports = |namespace: &TestNamespace| {
        let window = Recorder::of_namespace(&namespace.path()).finish();
        assert_eq!(window.coverage.gaps(), Vec::new());
        window.coverage.kernel_ports
    };
    assert_eq!(ports(&near), [VXLAN]);
    assert_eq!(ports(&far), Vec::<u16>::new());
}
