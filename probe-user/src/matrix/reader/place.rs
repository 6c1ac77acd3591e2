//! What a `Located` is given: its line, its path, and its value.

use serde::de::value::{StrDeserializer, StringDeserializer, U32Deserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::access::Field;
use super::error::Error;
use crate::matrix::located::LOCATED;

/// The three parts of a `Located`: line, path, value.
pub(super) struct Parts<'n> {
    pub(super) line: u32,
    pub(super) path: String,
    pub(super) field: Option<Field<'n>>,
    pub(super) next: u8,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.next += 1;
        match (self.next, self.field.take()) {
            (1, field) => {
                self.field = field;
                seed.deserialize(U32Deserializer::new(self.line)).map(Some)
            }
            (2, field) => {
                self.field = field;
                seed.deserialize(StringDeserializer::new(std::mem::take(&mut self.path))).map(Some)
            }
            (_, None) => Ok(None),
            (_, Some(field)) => {
                let sink = match &field {
                    Field::Written(reader) => reader.sink,
                    Field::Absent(absent) => absent.sink,
                };
                let result = seed.deserialize(field);
                result.map(Some).map_err(|error| {
                    error.note(sink);
                    Error::custom("already told")
                })
            }
        }
    }
}

/// A map's key: text, whatever it looks like.
pub(super) struct KeyReader {
    pub(super) line: u32,
    pub(super) path: String,
    pub(super) text: String,
}

impl<'de> Deserializer<'de> for KeyReader {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name != LOCATED {
            return visitor.visit_newtype_struct(self);
        }
        visitor.visit_seq(KeyParts { key: self, next: 0 })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The three parts of a located key.
pub(super) struct KeyParts {
    key: KeyReader,
    next: u8,
}

impl<'de> SeqAccess<'de> for KeyParts {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(U32Deserializer::new(self.key.line)).map(Some),
            2 => seed.deserialize(StrDeserializer::new(&self.key.path)).map(Some),
            3 => seed.deserialize(StrDeserializer::new(&self.key.text)).map(Some),
            _ => Ok(None),
        }
    }
}
