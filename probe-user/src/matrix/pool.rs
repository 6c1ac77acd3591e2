//! Texts that a large matrix says again and again, kept once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::name::EndpointName;

/// Texts that were said.
#[derive(Default)]
pub(super) struct Pool {
    names: HashMap<String, EndpointName>,
    files: HashSet<Arc<str>>,
}

impl Pool {
    /// The name that is written so.
    pub(super) fn name(&mut self, written: &str) -> EndpointName {
        if let Some(name) = self.names.get(written) {
            return name.clone();
        }
        let name = EndpointName::new(written);
        self.names.insert(written.to_owned(), name.clone());
        name
    }

    /// The name of a file.
    pub(super) fn file(&mut self, name: &str) -> Arc<str> {
        if let Some(file) = self.files.get(name) {
            return Arc::clone(file);
        }
        let file: Arc<str> = name.into();
        self.files.insert(Arc::clone(&file));
        file
    }
}
