//! A serde deserializer over the tree of [`super::node`] that goes on after a fault.
//!
//! A fault inside a [`Located`](super::located::Located) is noted with the place of the innermost value that
//! it concerns, and the reading goes on behind it. A struct's unknown and missing keys are noted here as
//! well: what a wire type requires is what it does not wrap into `Option`.

mod access;
mod error;
mod place;
mod variant;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use access::{Absent, Field, Fields, Items};
use error::{Error, Sink};
use place::Parts;
use variant::Variant;

use super::faults::{Fault, did_you_mean};
use super::located::{LOCATED, ONE_OR_MANY};
use super::node::{Key, Kind, Node};

/// Reads a wire type; what cannot be read is in `faults`.
pub(super) fn read<T: DeserializeOwned>(node: &Node, faults: &mut Vec<Fault>) -> Option<T> {
    read_at(node, String::new(), faults)
}

/// Reads a wire type that stands at a path of its document.
pub(super) fn read_at<T: DeserializeOwned>(node: &Node, path: String, faults: &mut Vec<Fault>) -> Option<T> {
    let sink = RefCell::new(std::mem::take(faults));
    let reader = Reader { node, path, sink: &sink };
    let value = T::deserialize(reader).map_err(|error| error.note(&sink)).ok();
    *faults = sink.into_inner();
    value
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// One value at its path.
#[derive(Clone)]
struct Reader<'n> {
    node: &'n Node,
    path: String,
    sink: &'n Sink,
}

impl<'n> Reader<'n> {
    fn place<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.at(self.node.line, &self.path))
    }

    fn children(&self, items: &'n [Node]) -> Items<'n> {
        let readers = items.iter().enumerate().map(|(index, node)| Reader {
            node,
            path: format!("{}[{index}]", self.path),
            sink: self.sink,
        });
        Items(readers.collect::<Vec<_>>().into_iter())
    }

    fn entries(&self, entries: &'n [(Key, Node)], fields: Option<&'static [&'static str]>) -> Fields<'n> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (key, node) in entries {
            let path = join(&self.path, &key.text);
            if !seen.insert(key.text.as_str()) {
                self.tell(key.line, &path, format!("key `{}` is given twice", key.text));
            } else if let Some(fields) = fields.filter(|fields| !fields.contains(&key.text.as_str())) {
                let hint = did_you_mean(&key.text, fields.iter().copied());
                self.tell(key.line, &self.path, format!("unknown key `{}`{hint}", key.text));
            } else {
                found.push((
                    key.line,
                    key.text.clone(),
                    Field::Written(Reader { node, path, sink: self.sink }),
                ));
            }
        }
        for field in fields.unwrap_or_default().iter().filter(|field| !seen.contains(**field)) {
            let absent = Absent { line: self.node.line, parent: self.path.clone(), field, sink: self.sink };
            found.push((self.node.line, (*field).to_owned(), Field::Absent(absent)));
        }
        Fields { parent: self.path.clone(), rest: found.into_iter(), value: None }
    }

    fn tell(&self, line: u32, path: &str, message: String) {
        self.sink.borrow_mut().push(Fault { line, path: path.to_owned(), message });
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Integer(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(text) => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(self.children(items)),
            Kind::Map(entries) => visitor.visit_map(self.entries(entries, None)),
            Kind::Alias => Err(Error::invalid_type(Unexpected::Other("an alias"), &"the value written out")),
        };
        self.place(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.kind == Kind::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = match &self.node.kind {
            Kind::Map(entries) => visitor.visit_map(self.entries(entries, Some(fields))),
            _ => return self.deserialize_any(visitor),
        };
        self.place(result)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (name, &self.node.kind) {
            (LOCATED, _) => visitor.visit_seq(Parts {
                line: self.node.line,
                path: self.path.clone(),
                field: Some(self.into()),
                next: 0,
            }),
            (ONE_OR_MANY, Kind::List(_)) => self.deserialize_any(visitor),
            (ONE_OR_MANY, _) => visitor.visit_seq(Items(vec![self].into_iter())),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = match &self.node.kind {
            Kind::Text(text) => visitor.visit_enum(Variant { name: text, content: None }),
            Kind::Map(entries) if entries.len() == 1 => {
                let (key, node) = &entries[0];
                let path = join(&self.path, &key.text);
                let content = Some(Reader { node, path, sink: self.sink });
                visitor.visit_enum(Variant { name: &key.text, content })
            }
            _ => return self.deserialize_any(visitor),
        };
        self.place(result)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}
