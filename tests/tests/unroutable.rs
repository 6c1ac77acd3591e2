//! Attempts that no route carries: refused on this node before any packet, or by a router's ICMP.

use flowdrift::flow::{Outcomes, ProcessSeen};
use flowdrift_tests::{
    dial,
    namespace::{TestNamespace, join},
    needs,
    recorder::Recorder,
    site::CLIENT,
    unseen,
};
use nix::libc;

/// What the table of a routing case differs in.
#[derive(Clone, Copy)]
struct Net {
    client: &'static str,
    router: &'static str,
    /// Without its length.
    gateway: &'static str,
    beyond: &'static str,
    /// The destination as it is dialled.
    dialled: &'static str,
    default: &'static str,
}

const V4: Net = Net {
    client: "10.78.0.1/24",
    router: "10.78.0.254/24",
    gateway: "10.78.0.254",
    beyond: "192.0.2.0/24",
    dialled: "192.0.2.7",
    default: "0.0.0.0/0",
};
const V6: Net = Net {
    client: "fd00:8::1/64",
    router: "fd00:8::fe/64",
    gateway: "fd00:8::fe",
    beyond: "2001:db8::/64",
    dialled: "2001:db8::7",
    default: "::/0",
};
const MAPPED: Net = Net { dialled: "::ffff:192.0.2.7", ..V4 };

const PORT: u16 = 4711;

/// Dials once from `client`, recorded; the error that `connect()` gave, and how the one flow stands.
fn attempt(client: &TestNamespace, net: Net) -> (Option<i32>, Outcomes) {
    let recorder = Recorder::of_namespace(&client.path());
    let to = std::net::SocketAddr::new(net.dialled.parse().expect("an address"), PORT);
    let error = client.run(|| dial::named(CLIENT, || dial::connect(to))).err();
    let window = recorder.finish();
    unseen::must_not_be(PORT);
    assert_eq!(window.coverage.gaps(), Vec::new(), "{error:?}: {window:#?}");
    assert_eq!(window.flows.len(), 1, "{error:?}: {:#?}", window.flows);
    let flow = &window.flows[0];
    assert_eq!(flow.key.remote, to.ip().to_canonical(), "{flow:?}");
    assert_eq!(flow.key.port, PORT, "{flow:?}");
    let caller = ProcessSeen { command: CLIENT.into(), id: std::process::id(), attempts: 1 };
    assert_eq!(flow.processes, [caller], "{flow:?}");
    (error.and_then(|error| error.raw_os_error()), flow.outcomes.clone())
}

fn unrouted() -> Outcomes {
    Outcomes { unrouted: 1, ..Outcomes::default() }
}

fn failed(error: i32) -> Outcomes {
    Outcomes { failed: [(error as u16, 1)].into(), ..Outcomes::default() }
}

/// A route of this node itself; `None` for none at all.
fn by_this_node(kind: Option<&str>, net: Net, expected: i32) {
    let client = TestNamespace::new("client");
    if let Some(kind) = kind {
        client.ip(&["route", "add", kind, net.beyond]);
    }
    assert_eq!(attempt(&client, net), (Some(expected), unrouted()));
}

/// A router that answers with ICMP; `None` when it has no route at all.
fn by_a_router(kind: Option<&str>, net: Net, expected: i32) {
    let (client, router) = (TestNamespace::new("client"), TestNamespace::new("router"));
    join("v0", (&client, net.client), (&router, net.router));
    client.ip(&["route", "add", net.default, "via", net.gateway]);
    router.run(|| {
        dial::set("ipv4/ip_forward", "1");
        dial::set("ipv6/conf/all/forwarding", "1");
    });
    if let Some(kind) = kind {
        router.ip(&["route", "add", kind, net.beyond]);
    }
    assert_eq!(attempt(&client, net), (Some(expected), failed(expected)));
}

/// An address on the link that nobody has: the neighbour does not answer.
fn by_a_silent_link(net: Net, expected: i32) {
    let (client, other) = (TestNamespace::new("client"), TestNamespace::new("other"));
    join("v0", (&client, net.client), (&other, net.router));
    client.ip(&["route", "add", net.beyond, "dev", "v0"]);
    assert_eq!(attempt(&client, net), (Some(expected), failed(expected)));
}

macro_rules! cases {
    ($($rule:ident { $($test:ident: $check:expr;)* })*) => { $(
        mod $rule {
            use super::*;
            $(
                #[test]
                fn $test() {
                    if needs::root(concat!(stringify!($rule), "::", stringify!($test))) {
                        unseen::tried(|| $check);
                    }
                }
            )*
        }
    )* };
}

cases! {
    no_route {
        v4: by_this_node(None, V4, libc::ENETUNREACH);
        v6: by_this_node(None, V6, libc::ENETUNREACH);
        mapped: by_this_node(None, MAPPED, libc::ENETUNREACH);
    }
    unreachable_route {
        v4: by_this_node(Some("unreachable"), V4, libc::EHOSTUNREACH);
        v6: by_this_node(Some("unreachable"), V6, libc::EHOSTUNREACH);
        mapped: by_this_node(Some("unreachable"), MAPPED, libc::EHOSTUNREACH);
    }
    prohibit_route {
        v4: by_this_node(Some("prohibit"), V4, libc::EACCES);
        v6: by_this_node(Some("prohibit"), V6, libc::EACCES);
        mapped: by_this_node(Some("prohibit"), MAPPED, libc::EACCES);
    }
    blackhole_route {
        v4: by_this_node(Some("blackhole"), V4, libc::EINVAL);
        v6: by_this_node(Some("blackhole"), V6, libc::EINVAL);
        mapped: by_this_node(Some("blackhole"), MAPPED, libc::EINVAL);
    }
    router_without_route {
        v4: by_a_router(None, V4, libc::ENETUNREACH);
        v6: by_a_router(None, V6, libc::ENETUNREACH);
        mapped: by_a_router(None, MAPPED, libc::ENETUNREACH);
    }
    router_says_unreachable {
        v4: by_a_router(Some("unreachable"), V4, libc::EHOSTUNREACH);
        // For `unreachable` an IPv6 router says "no route to destination" (net/ipv6/route.c, ip6_pkt_discard).
        v6: by_a_router(Some("unreachable"), V6, libc::ENETUNREACH);
        mapped: by_a_router(Some("unreachable"), MAPPED, libc::EHOSTUNREACH);
    }
    router_prohibits {
        v4: by_a_router(Some("prohibit"), V4, libc::EHOSTUNREACH);
        // ICMPv6 "administratively prohibited" is EACCES (net/ipv6/icmp.c, icmpv6_err_convert).
        v6: by_a_router(Some("prohibit"), V6, libc::EACCES);
        mapped: by_a_router(Some("prohibit"), MAPPED, libc::EHOSTUNREACH);
    }
    link_without_neighbour {
        v4: by_a_silent_link(V4, libc::EHOSTUNREACH);
        v6: by_a_silent_link(V6, libc::EHOSTUNREACH);
        mapped: by_a_silent_link(MAPPED, libc::EHOSTUNREACH);
    }
}
