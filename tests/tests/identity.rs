//! Who: the socket's own cgroup and network namespace, and the user's limits to some of them.

use std::net::SocketAddr;

use flowdrift::flow::{Direction, Flow, Outcomes, Window};
use flowdrift_tests::{
    dial, everywhere,
    group::TestGroup,
    needs, over,
    peer::{ServerProcess, connect_from},
    recorder::{Recorder, outcomes},
    site::{Expected, Family, Link, Site},
};

everywhere!(each_end_is_credited_to_its_own_cgroup);
over!(Loopback: only_the_named_cgroups_are_recorded, a_group_below_a_named_one_is_recorded);
over!(Veth: equal_addresses_in_two_namespaces_stay_apart);

fn serve(site: &Site, group: &TestGroup) -> ServerProcess {
    let address = SocketAddr::new(site.to(0).ip(), 0);
    ServerProcess::start(group, site.server(), address)
}

fn of_group<'a>(window: &'a Window, group: &TestGroup) -> Vec<&'a Flow> {
    let name = Some(group.name());
    window.flows.iter().filter(|flow| flow.key.workload.cgroup.as_deref() == name).collect()
}

/// An accept completes in softirq, where the current task is anybody: here the client, on loopback.
fn each_end_is_credited_to_its_own_cgroup(site: &Site) {
    let (client, server) = (TestGroup::new("client"), TestGroup::new("server"));
    let process = serve(site, &server);
    let recorder = site.record();
    connect_from(&client, site.client(), site.to(process.port), 5);
    let window = recorder.finish();
    site.check_window(&window, process.port, &Expected::standing(5));
    let [outbound, inbound] = [&client, &server].map(|group| of_group(&window, group));
    assert_eq!((outbound.len(), inbound.len()), (1, 1), "{:#?}", window.flows);
    assert_eq!((outbound[0].key.direction, outbound[0].outcomes.connected), (Direction::Outbound, 5));
    assert_eq!((inbound[0].key.direction, inbound[0].outcomes.accepted), (Direction::Inbound, 5));
    assert_eq!(outbound[0].processes[0].command, "fdt-peer");
    assert_eq!(inbound[0].processes, []);
}

fn only_the_named_cgroups_are_recorded(site: &Site) {
    let [watched, sibling, other] = ["watched", "sibling", "other"].map(TestGroup::new);
    let process = serve(site, &other);
    let recorder = Recorder::start(&["--cgroup", watched.name()]);
    for (group, count) in [(&watched, 3), (&sibling, 5), (&other, 7)] {
        connect_from(group, site.client(), site.to(process.port), count);
    }
    let window = recorder.finish();
    assert_eq!(of_group(&window, &watched).len(), 1, "{:#?}", window.flows);
    assert_eq!(window.flows.len(), 1, "{:#?}", window.flows);
    assert_eq!(window.flows[0].outcomes, Expected::standing(3).client);
}

fn a_group_below_a_named_one_is_recorded(site: &Site) {
    let watched = TestGroup::new("watched");
    let inner = watched.inner("inner");
    let other = TestGroup::new("other");
    let process = serve(site, &inner);
    let recorder = Recorder::start(&["--cgroup", watched.name()]);
    connect_from(&inner, site.client(), site.to(process.port), 2);
    connect_from(&other, site.client(), site.to(process.port), 3);
    let window = recorder.finish();
    let flows = of_group(&window, &inner);
    assert_eq!(flows.len(), window.flows.len(), "{:#?}", window.flows);
    let sum = |direction| outcomes(&window, |flow: &Flow| flow.key.direction == direction);
    assert_eq!(sum(Direction::Outbound).connected, 2);
    assert_eq!(sum(Direction::Inbound).accepted, 5, "whoever connects, the listener is inside");
}

fn equal_addresses_in_two_namespaces_stay_apart(site: &Site) {
    const PORT: u16 = 4713;
    let family = match site.to(0) {
        SocketAddr::V4(_) => Family::V4,
        SocketAddr::V6(to) if to.ip().to_ipv4_mapped().is_some() => Family::Mapped,
        SocketAddr::V6(_) => Family::V6,
    };
    let twin = Site::new(Link::Veth, family);
    let _listeners = [site, &twin].map(|one| one.listen_at(PORT));
    let recorder = Recorder::start(&[]);
    for (one, count) in [(site, 3), (&twin, 5)] {
        one.dial(|| (0..count).for_each(|_| drop(dial::connect(one.to(PORT)).expect("it listens"))));
    }
    let window = recorder.finish();
    for (one, count) in [(site, 3), (&twin, 5)] {
        let mut part = window.clone();
        let names = [one.client(), one.server()].map(|namespace| namespace.name());
        part.flows
            .retain(|flow| flow.key.workload.netns.as_deref().is_some_and(|name| names.contains(&name)));
        one.check_window(&part, PORT, &Expected::standing(count));
    }
}

#[test]
fn another_namespace_is_not_recorded() {
    if !needs::root("another_namespace_is_not_recorded") {
        return;
    }
    const PORT: u16 = 4714;
    let sites = [Site::new(Link::Loopback, Family::V4), Site::new(Link::Loopback, Family::V4)];
    let [watched, other] = &sites;
    let _listeners = sites.each_ref().map(|site| site.listen_at(PORT));
    let recorder = watched.record();
    for (site, count) in [(watched, 2), (other, 4)] {
        site.dial(|| (0..count).for_each(|_| drop(dial::connect(site.to(PORT)).expect("it listens"))));
    }
    watched.check(recorder, PORT, &Expected::standing(2));
}

/// With one end's namespace watched, only that end is in the recording.
#[test]
fn only_the_watched_end_is_recorded() {
    if !needs::root("only_the_watched_end_is_recorded") {
        return;
    }
    let site = Site::new(Link::Veth, Family::V4);
    let (_listener, port) = site.listen();
    let recorder = Recorder::of_namespace(&site.server().path());
    site.dial(|| drop(dial::connect(site.to(port)).expect("it listens")));
    let window = recorder.finish();
    assert_eq!(window.flows.len(), 1, "{:#?}", window.flows);
    assert_eq!(window.flows[0].outcomes, Outcomes { accepted: 1, ..Outcomes::default() });
    assert_eq!(window.flows[0].key.direction, Direction::Inbound);
}
