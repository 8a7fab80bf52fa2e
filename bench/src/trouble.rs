//! Why something could not be done, in words for the one who started it.

use std::fmt;

/// What, where, and where possible what to do.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<String> for Trouble {
    fn from(words: String) -> Self {
        Self(words)
    }
}

impl From<&str> for Trouble {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}

macro_rules! from_error {
    ($($error:ty),+) => {
        $(impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        })+
    };
}

from_error!(std::io::Error, tokio::task::JoinError, serde_json::Error, std::num::ParseIntError);
