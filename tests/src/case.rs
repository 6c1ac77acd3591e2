//! Cases that are directories: what was declared, what was seen, and what must come of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use flowdrift::{
    flow::Window,
    judge::Case,
    matching::{Compiled, Rows},
    matrix::{self, Exceptions, Faults, Inventory, Matrix},
    policy::World,
    source::recording,
    workload::{self, ClusterObjects},
};

use crate::worlds::MadeWorld;

/// A directory's files, read: `matrix.yaml`, `inventory.yaml`, `windows.yaml` (a list of windows as a recording holds them),
/// and where they are there `exceptions.yaml`, `baseline.yaml` and `kubernetes-<cluster>.json`.
pub struct CaseFiles {
    declared: Arc<Compiled>,
    baseline: Arc<Compiled>,
    exceptions: Option<Exceptions>,
    windows: Vec<Window>,
    clusters: BTreeMap<String, ClusterObjects>,
}

/// Every case of a folder of this crate, in order.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn all(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("the cases are there");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    cases.sort();
    cases
}

/// Every case of policies, the lab's recordings among them, each with its directory.
pub fn of_policies() -> impl Iterator<Item = (PathBuf, CaseFiles)> {
    let cases = all("policies").into_iter().map(|path| (path.clone(), CaseFiles::read(&path)));
    cases.chain([(Path::new(env!("CARGO_MANIFEST_DIR")).join("lab"), CaseFiles::lab())])
}

impl CaseFiles {
    /// What `policies/` has of the lab that the demo lays out, with a recording of each of its nodes.
    ///
    /// # Panics
    /// When it is not there or cannot be read.
    #[must_use]
    pub fn lab() -> Self {
        let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        let there = |name: &str| -> Vec<PathBuf> {
            let entries = fs::read_dir(at.join(name)).expect("it is in the tree");
            let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
            paths.sort();
            paths
        };
        let matrix = |name| document(&at, name, matrix::read_matrix).expect("it is in the tree");
        let mut inventory =
            document(&at, "lab-inventory.yaml", matrix::read_inventory).expect("it is in the tree");
        let windows = there("lab-recordings").into_iter().map(|path| {
            let file = fs::File::open(&path).expect("readable");
            let read = recording::read(&path.display().to_string(), file);
            read.unwrap_or_else(|error| panic!("{error}")).window
        });
        let clusters = there("lab-kubernetes").into_iter().map(|path| {
            let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            (name, objects(&path))
        });
        let clusters = clusters.collect();
        let unbound = workload::bind(&mut inventory, &clusters);
        assert!(unbound.is_empty(), "{unbound:?}");
        let declared = matrix("tap-multi-cluster.yaml");
        Self::of((declared, inventory, matrix("baseline.yaml")), None, windows.collect(), clusters)
    }

    /// Reads them.
    ///
    /// # Panics
    /// When one is not there or cannot be read: a case is part of its test.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let matrix = document(path, "matrix.yaml", matrix::read_matrix).expect("every case has a matrix");
        let mut inventory =
            document(path, "inventory.yaml", matrix::read_inventory).expect("every case has an inventory");
        let baseline = document(path, "baseline.yaml", matrix::read_matrix).unwrap_or_else(no_baseline);
        let clusters = clusters(path);
        let unbound = workload::bind(&mut inventory, &clusters);
        assert!(clusters.is_empty() || unbound.is_empty(), "{}: {unbound:?}", path.display());
        let exceptions = document(path, "exceptions.yaml", matrix::read_exceptions);
        Self::of((matrix, inventory, baseline), exceptions, windows(path), clusters)
    }

    /// A made-up one, judged without a baseline.
    ///
    /// # Panics
    /// When what was made up cannot be read.
    #[must_use]
    pub fn made(made: &MadeWorld) -> Self {
        let matrix =
            matrix::read_matrix(&made.matrix, "matrix.yaml").unwrap_or_else(|faults| panic!("{faults}"));
        let inventory = matrix::read_inventory(&made.inventory, "inventory.yaml");
        let mut inventory = inventory.unwrap_or_else(|faults| panic!("{faults}"));
        let objects = |(cluster, list): (&String, &String)| {
            let objects = ClusterObjects::read([(list.as_bytes(), cluster.as_str())]);
            (cluster.clone(), objects.unwrap_or_else(|faults| panic!("{faults}")))
        };
        let clusters = made.kubernetes.iter().map(objects).collect();
        workload::bind(&mut inventory, &clusters);
        Self::of((matrix, inventory, no_baseline()), None, made.windows.clone(), clusters)
    }

    fn of(
        (matrix, inventory, baseline): (Matrix, Inventory, Matrix),
        exceptions: Option<Exceptions>,
        windows: Vec<Window>,
        clusters: BTreeMap<String, ClusterObjects>,
    ) -> Self {
        let compiled =
            |matrix| Arc::new(Compiled::new(Rows::new(&[matrix], &inventory)).expect("few classes"));
        Self { declared: compiled(matrix), baseline: compiled(baseline), exceptions, windows, clusters }
    }

    /// The same, with other rows declared.
    ///
    /// # Panics
    /// When the rows tell more classes of addresses apart than can be.
    #[must_use]
    pub fn declaring(&self, matrices: &[Matrix]) -> Self {
        let inventory = self.declared.rows().inventory().clone().with_addresses_of(matrices);
        let rows = Rows::new(matrices, &inventory);
        Self {
            declared: Arc::new(Compiled::new(rows).expect("few classes")),
            baseline: Arc::clone(&self.baseline),
            exceptions: self.exceptions.clone(),
            windows: self.windows.clone(),
            clusters: self.clusters.clone(),
        }
    }

    /// What is to be judged.
    #[must_use]
    pub fn case(&self) -> Case<'_> {
        Case {
            declared: &self.declared,
            baseline: &self.baseline,
            exceptions: self.exceptions.as_ref(),
            windows: &self.windows,
            strict: false,
        }
    }

    /// Who is where.
    #[must_use]
    pub fn world(&self) -> World<'_> {
        World::new(self.declared.rows().inventory(), &self.clusters)
    }
}

fn no_baseline() -> Matrix {
    let nothing = "apiVersion: flowdrift/v1\nkind: FlowMatrix\nmetadata: {name: none}\nrows: []\n";
    matrix::read_matrix(nothing, "none").expect("an empty matrix is one")
}

fn document<T>(case: &Path, file: &str, read: impl Fn(&str, &str) -> Result<T, Faults>) -> Option<T> {
    let text = fs::read_to_string(case.join(file)).ok()?;
    Some(read(&text, file).unwrap_or_else(|faults| panic!("{}: {faults}", case.display())))
}

fn windows(case: &Path) -> Vec<Window> {
    let text = fs::read_to_string(case.join("windows.yaml")).expect("every case has windows");
    serde_saphyr::from_str(&text).unwrap_or_else(|fault| panic!("{}: {fault}", case.display()))
}

fn clusters(case: &Path) -> BTreeMap<String, ClusterObjects> {
    let entries = fs::read_dir(case).expect("a case is a directory");
    let names = entries.filter_map(|entry| entry.expect("readable").file_name().into_string().ok());
    let lists = names.filter_map(|name| {
        let cluster = name.strip_prefix("kubernetes-")?.strip_suffix(".json")?.to_owned();
        Some((cluster, objects(&case.join(&name))))
    });
    lists.collect()
}

fn objects(path: &Path) -> ClusterObjects {
    let bytes = fs::read(path).expect("readable");
    let name = path.display().to_string();
    ClusterObjects::read([(bytes.as_slice(), name.as_str())]).unwrap_or_else(|faults| panic!("{faults}"))
}
