//! Names for the ids that the kernel reports, looked up while what they name still exists.

use std::{io, sync::Arc};

use hashbrown::{HashMap, HashSet};

use crate::{
    capture::{CgroupTree, Namespace, Options, SourceAddresses, clock::Anchor, namespaces},
    event::Event,
    flow::Naming,
};

/// Names of cgroups and namespaces, the clock's anchor, and the user's limit to some cgroups.
pub(super) struct NameBook {
    tree: Option<CgroupTree>,
    cgroups: HashMap<u64, Option<Arc<str>>>,
    new_cgroups: HashSet<u64>,
    namespaces: HashMap<u64, Option<Arc<str>>>,
    new_namespaces: bool,
    seen_namespaces: HashSet<u64>,
    /// Inodes of the namespaces whose cookie is known.
    known: HashSet<u64>,
    sources: SourceAddresses,
    /// The user's cgroups, absolute below the root and without a trailing slash.
    limits: Vec<String>,
    /// Our own group, unless the user watches it.
    own_group: Option<u64>,
    anchor: Anchor,
}

impl NameBook {
    /// Knows the namespaces that exist now.
    pub(super) fn new(tree: Option<CgroupTree>, options: &Options) -> io::Result<Self> {
        let mut namespaces = HashMap::new();
        // A lab plays a node in one namespace: then that is the node's own.
        let own = match options.namespaces.as_slice() {
            [one] => one.clone(),
            _ => namespaces::own()?,
        };
        if let Ok(cookie) = own.cookie() {
            namespaces.insert(cookie, None);
        }
        let below = |path: &std::path::Path| tree.as_ref().map_or(path.to_owned(), |tree| tree.below(path));
        let limits: Vec<String> = options.cgroups.iter().map(|path| limit(&below(path))).collect();
        let own_group = tree.as_ref().filter(|_| !limits.is_empty()).and_then(|tree| tree.own_group().ok());
        let mut book = Self {
            tree,
            cgroups: HashMap::new(),
            new_cgroups: HashSet::new(),
            namespaces,
            new_namespaces: true,
            seen_namespaces: HashSet::new(),
            known: HashSet::new(),
            sources: SourceAddresses::default(),
            limits,
            own_group: own_group.map(|(id, _)| id),
            anchor: Anchor::now()?,
        };
        if let Some(own) = book.own_group
            && book.is_in_scope(Some(own))
        {
            book.own_group = None;
        }
        book.learn_all(namespaces::all());
        Ok(book)
    }

    /// Uses another anchor for the wall clock from now on.
    pub(super) fn anchor(&mut self, anchor: Anchor) {
        self.anchor = anchor;
    }

    /// Remembers the ids of an event; whether it lies inside of the user's limits. The kernel side has filtered
    /// already, by ids that outlive their names, but lets our own group pass for the known connection's sake.
    pub(super) fn note(&mut self, event: &Event) -> bool {
        if let Some(cookie) = event.netns
            && self.seen_namespaces.insert(cookie)
            && !self.namespaces.contains_key(&cookie)
        {
            self.namespaces.insert(cookie, Some(format!("netns:{cookie}").into()));
            self.new_namespaces = true;
        }
        if let Some(id) = event.cgroup
            && !self.cgroups.contains_key(&id)
        {
            self.new_cgroups.insert(id);
        }
        self.own_group.is_none() || event.cgroup != self.own_group
    }

    /// Whether a listed socket's group lies inside of the user's limits.
    pub(super) fn is_in_scope(&mut self, cgroup: Option<u64>) -> bool {
        if self.limits.is_empty() {
            return true;
        }
        let Some(id) = cgroup else { return false };
        self.name_group(id);
        let Some(name) = self.cgroups.get(&id).and_then(Option::as_deref) else { return true };
        is_limited_to(&self.limits, name)
    }

    fn name_group(&mut self, id: u64) {
        let Self { tree, cgroups, .. } = self;
        cgroups.entry(id).or_insert_with(|| tree.as_mut().and_then(|tree| tree.name(id)).map(Arc::from));
    }

    /// Cookies of the namespaces in which something was seen, or that are watched.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = u64> {
        self.seen_namespaces.iter().copied()
    }

    /// Name of a cgroup, or what can be said without one.
    pub(super) fn group(&mut self, id: u64) -> String {
        if id == 0 {
            return "others".to_owned();
        }
        self.name_group(id);
        let name = self.cgroups.get(&id).and_then(Option::as_deref);
        name.map_or_else(|| format!("cgroup {id}, gone"), str::to_owned)
    }

    /// Looks up what has come up since the last time.
    pub(super) fn resolve_new(&mut self) {
        for id in std::mem::take(&mut self.new_cgroups) {
            self.name_group(id);
        }
        if self.new_namespaces {
            self.learn_all(namespaces::entered_or_mounted());
        }
    }

    /// Gives a socket that has no address of its own the one that it uses towards its peer.
    pub(super) fn place(&mut self, event: &mut Event) {
        let Some(netns) = event.netns else { return };
        self.sources.learn(netns, event.local.address);
        if event.local.address.is_unspecified()
            && event.remote.port != 0
            && let Some(address) = self.sources.towards(netns, event.remote.address)
        {
            event.local.address = address;
        }
    }

    fn learn_all(&mut self, namespaces: io::Result<Vec<Namespace>>) {
        self.new_namespaces = false;
        for namespace in namespaces.unwrap_or_default() {
            self.learn(&namespace);
        }
    }

    fn learn(&mut self, namespace: &Namespace) {
        if !self.known.insert(namespace.inode) {
            return;
        }
        let Ok(cookie) = namespace.cookie() else { return };
        // Without it, sockets without an address keep none.
        let _ = self.sources.open(namespace, cookie);
        let name = self.namespaces.entry(cookie).or_insert_with(|| Some(namespace.label().into()));
        if name.as_ref().is_some_and(|name| name.starts_with("netns:")) {
            *name = Some(namespace.label().into());
        }
    }
}

fn limit(path: &std::path::Path) -> String {
    format!("/{}", path.display().to_string().trim_matches('/'))
}

fn is_limited_to(limits: &[String], name: &str) -> bool {
    limits.iter().any(|limit| name.strip_prefix(limit.as_str()).is_some_and(is_below))
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

impl Naming for NameBook {
    fn cgroup(&self, id: u64) -> Option<Arc<str>> {
        self.cgroups.get(&id).cloned().flatten()
    }

    fn netns(&self, cookie: u64) -> Option<Arc<str>> {
        self.namespaces.get(&cookie).cloned().flatten()
    }

    fn wall(&self, boot: u64) -> i64 {
        self.anchor.wall_of(boot)
    }
}
