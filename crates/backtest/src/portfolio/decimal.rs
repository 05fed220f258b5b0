//! Exact numbers in JSON.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// A value written as text or as a JSON number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal<T>(pub(crate) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Decimal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Text<T> {
            fn parse<E: de::Error>(text: &str) -> Result<Decimal<T>, E> {
                text.parse().map(Decimal).map_err(|error| E::custom(format!("`{text}`: {error}")))
            }
        }
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
            type Value = Decimal<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal as text, such as \"117904.1\", or a plain number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Self::parse(text)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Self::parse(&value.to_string())
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Self::parse(&value.to_string())
            }
            // The shortest text that gives the same double is the decimal that was written.
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                Self::parse(&value.to_string())
            }
        }
        deserializer.deserialize_any(Text(PhantomData))
    }
}
