//! The declared side of an audit: which files it is in, and what they say together.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use anyhow::Result;

use super::inputs;
use crate::{
    escape,
    matching::{Compiled, Rows},
    matrix::{Exceptions, Matrix},
    workload::{self, ClusterObjects},
};

/// Where the declared side is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeclaredFiles {
    /// A declared matrix; may be given several times
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    matrix: Vec<PathBuf>,
    /// What each endpoint of the matrix is here
    #[arg(long, value_name = "FILE")]
    inventory: PathBuf,
    /// Flows that somebody answers for
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// The baseline matrix, instead of the one that ships with flowdrift
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// What `kubectl get nodes,services,endpointslices,namespaces,pods -A -o json` printed of a cluster, which is named
    /// after the file or by NAME=; may be given several times. Binds the inventory's selectors
    #[arg(long, value_name = "[NAME=]FILE", num_args = 1..)]
    kubernetes: Vec<String>,
}

/// The declared side, read whole.
#[derive(Clone)]
pub(super) struct Declared {
    pub(super) rows: Arc<Compiled>,
    pub(super) baseline: Arc<Compiled>,
    pub(super) exceptions: Option<Arc<Exceptions>>,
    pub(super) clusters: Arc<BTreeMap<String, ClusterObjects>>,
}

/// What tells whether files have changed: when they did, and their lengths; nothing of what is no file, or cannot be read.
pub(super) type Stamps = Vec<Option<(SystemTime, u64)>>;

impl DeclaredFiles {
    /// Reads and compiles it.
    pub(super) fn read(&self) -> Result<Declared> {
        let Self { matrix, inventory, exceptions, baseline, kubernetes } = self;
        let read = inputs::declared(matrix, inventory, exceptions.as_deref(), baseline.as_deref())?;
        let inputs::Declared { matrices, baseline, mut inventory, exceptions } = read;
        let clusters = inputs::clusters(kubernetes, &inventory)?;
        for unbound in workload::bind(&mut inventory, &clusters) {
            eprintln!("flowdrift: warning: {}", escape::text(&unbound));
        }
        let compiled = |matrices: &[Matrix]| Compiled::new(Rows::new(matrices, &inventory)).map(Arc::new);
        Ok(Declared {
            rows: compiled(&matrices)?,
            baseline: compiled(&[baseline])?,
            exceptions: exceptions.map(Arc::new),
            clusters: Arc::new(clusters),
        })
    }

    /// Those of its files as they are now. Whoever takes them first and reads then misses no change.
    pub(super) fn stamps(&self) -> Stamps {
        self.files().map(stamp).collect()
    }

    /// Whether it comes from standard input, which can be read but once.
    pub(super) fn is_piped(&self) -> bool {
        self.files().any(|path| path.as_os_str() == "-")
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let Self { matrix, inventory, exceptions, baseline, kubernetes } = self;
        let lists = kubernetes.iter().map(|file| inputs::named(file).1);
        matrix.iter().chain([inventory]).chain(exceptions).chain(baseline).map(PathBuf::as_path).chain(lists)
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
