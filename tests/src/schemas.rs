//! Resources against the schemas of their own API, which lie beside the project.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use serde_json::Value;

/// Schemas of custom resources, a file each: `<group>_<kind>_<version>.json`, in small letters.
pub struct Schemas(PathBuf);

impl Schemas {
    /// Those beside the project, where they are there.
    #[must_use]
    pub fn beside() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/crds");
        folder.exists().then_some(Self(folder))
    }

    /// What is wrong with a document that holds one resource, in YAML.
    ///
    /// # Panics
    /// When it is no YAML, says not what it is, or nobody has its schema.
    #[must_use]
    pub fn faults(&self, text: &str) -> Vec<String> {
        let mut resource: Value = serde_saphyr::from_str(text).expect("it is YAML");
        as_enforced(&mut resource);
        let validator = self.of(&resource);
        validator.iter_errors(&resource).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn of(&self, resource: &Value) -> Validator {
        let text = |key: &str| resource[key].as_str().expect("it says what it is");
        let (group, version) = text("apiVersion").split_once('/').expect("it is of a group");
        let path = self.0.join(format!("{group}_{}_{version}.json", text("kind").to_lowercase()));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut schema: Value = serde_json::from_slice(&bytes).expect("a schema is JSON");
        close(&mut schema);
        // Every resource has these, whether or not its own schema says so.
        for key in ["apiVersion", "kind", "metadata"] {
            let properties = schema["properties"].as_object_mut().expect("a resource has properties");
            properties.entry(key).or_insert(Value::Bool(true));
        }
        jsonschema::validator_for(&schema).expect("a schema is one")
    }
}

/// Of a staged global policy nobody publishes a schema: it is the one that it proposes, and whether to set or to delete it.
fn as_enforced(resource: &mut Value) {
    if resource["kind"] == "StagedGlobalNetworkPolicy" {
        resource["kind"] = "GlobalNetworkPolicy".into();
        let spec = resource["spec"].as_object_mut();
        let action = spec.and_then(|spec| spec.remove("stagedAction"));
        assert!(action.is_some_and(|action| action == "Set" || action == "Delete"), "it proposes something");
    }
}

/// Lets no object have keys that its schema does not: the API server drops these in silence. What has no properties is free,
/// such as metadata. Parts of conditions are no schemas of whole objects and stay as they are.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(close);
        let keeps = object.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        if !keeps {
            object.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    }
    for key in ["items", "additionalProperties"] {
        object.get_mut(key).into_iter().for_each(close);
    }
}
