//! Values from outside, read into script values within bounds: how deep, how many, and no name twice.

use std::cell::Cell;
use std::fmt;

use rhai::{Array, Dynamic, Map};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::engine::{ARRAY_ITEMS_MAX, MAP_ENTRIES_MAX};

/// Deepest nesting of lists and maps.
pub const PARSED_DEPTH_MAX: usize = 32;
/// Most values in one text, each list, map, number and text counted.
pub const PARSED_VALUES_MAX: usize = ARRAY_ITEMS_MAX;
/// How a date of TOML reaches a reader that takes everything.
const TOML_DATE: &str = "$__toml_private_datetime";

/// Reads one value of any format that says of itself what it holds.
pub fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Dynamic, D::Error> {
    let left = Cell::new(PARSED_VALUES_MAX);
    Seed { left: &left, depth: PARSED_DEPTH_MAX }.deserialize(from)
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    left: &'a Cell<usize>,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom(format!("it is nested more than {PARSED_DEPTH_MAX} deep"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Dynamic;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Dynamic, D::Error> {
        // References of YAML repeat what they name: each repetition counts.
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => {
                return Err(D::Error::custom(format!(
                    "it holds more than {PARSED_VALUES_MAX} values"
                )));
            }
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Dynamic, E> {
        Ok(i64::try_from(value).map_or_else(|_| (value as f64).into(), Dynamic::from))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::UNIT)
    }

    fn visit_none<E: Error>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::UNIT)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Dynamic, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dynamic, A::Error> {
        let (inner, mut list) = (self.deeper()?, Array::new());
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<Dynamic, A::Error> {
        let (inner, mut map) = (self.deeper()?, Map::new());
        while let Some(name) = rows.next_key_seed(Name)? {
            let value = rows.next_value_seed(inner)?;
            if name == TOML_DATE {
                return Ok(value);
            }
            if map.len() >= MAP_ENTRIES_MAX {
                return Err(A::Error::custom(format!(
                    "a map has more than {MAP_ENTRIES_MAX} entries"
                )));
            }
            if map.contains_key(name.as_str()) {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            map.insert(name.into(), value);
        }
        Ok(map.into())
    }
}

/// The name of an entry: a number or a truth value is its text.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_any(self)
    }
}

impl Visitor<'_> for Name {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }
}
