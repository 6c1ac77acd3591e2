//! Lists, maps, and the keys that a struct knows.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::{Error, Sink};
use super::place::{KeyReader, Parts};
use super::{Reader, join};

/// A list's values.
pub(super) struct Items<'n>(pub(super) std::vec::IntoIter<Reader<'n>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.0.next().map(|reader| seed.deserialize(reader)).transpose()
    }
}

/// A map's entries.
pub(super) struct Fields<'n> {
    pub(super) parent: String,
    pub(super) rest: std::vec::IntoIter<(u32, String, Field<'n>)>,
    pub(super) value: Option<Field<'n>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((line, text, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        let path = join(&self.parent, &text);
        seed.deserialize(KeyReader { line, path, text }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.value.take() {
            Some(field) => seed.deserialize(field),
            None => Err(Error::custom("a value was asked for before its key")),
        }
    }
}

/// A struct's field, as written or not written.
pub(super) enum Field<'n> {
    Written(Reader<'n>),
    Absent(Absent<'n>),
}

impl<'n> From<Reader<'n>> for Field<'n> {
    fn from(reader: Reader<'n>) -> Self {
        Self::Written(reader)
    }
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Written(reader) => reader.deserialize_any(visitor),
            Self::Absent(absent) => Err(absent.error()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Written(reader) => reader.deserialize_option(visitor),
            Self::Absent(_) => visitor.visit_none(),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Written(reader) => reader.deserialize_struct(name, fields, visitor),
            Self::Absent(absent) => Err(absent.error()),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Written(reader) => reader.deserialize_newtype_struct(name, visitor),
            Self::Absent(absent) => visitor.visit_seq(Parts {
                line: absent.line,
                path: join(&absent.parent, absent.field),
                field: Some(Field::Absent(absent)),
                next: 0,
            }),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Written(reader) => reader.deserialize_enum(name, variants, visitor),
            Self::Absent(absent) => Err(absent.error()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A key that the struct knows and the document lacks.
pub(super) struct Absent<'n> {
    pub(super) line: u32,
    pub(super) parent: String,
    pub(super) field: &'static str,
    pub(super) sink: &'n Sink,
}

impl Absent<'_> {
    fn error(&self) -> Error {
        Error::missing_field(self.field).at(self.line, &self.parent)
    }
}
