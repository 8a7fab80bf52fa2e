//! `q`: finds agents and capabilities by what people remember of them.
//!
//! The rule. The query is cut at blanks into words, and every word must be found. Upper and lower case are the same. A
//! word is found in a text, best first: as the whole text or a whole part of it (parts are what lies between
//! characters that are neither letters nor digits), at the beginning of a part, anywhere in the text, or as a part
//! with typing errors: one in words of 4 to 7 characters, two in longer ones, where an error is a character too many,
//! missing or wrong, or two neighbours swapped. An answer is the better the better its worst-found words are found;
//! of equals, the one found in the id or name comes before the type, that before tags, those before descriptions.

use crate::document::{AgentId, Capability, Document};

/// The longest query, in bytes.
pub const QUERY_BYTES: usize = 256;
/// The most words of a query.
pub const QUERY_WORDS: usize = 16;

/// A query, cut and folded. Two that mean the same are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word {
    text: String,
    characters: usize,
    errors: usize,
}

/// How well something was found; lower is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u32);

/// Where a text stands, best first.
#[derive(Debug, Clone, Copy)]
enum Place {
    Name,
    Type,
    Tag,
    Description,
}

const PLACES: u32 = 4;

impl Query {
    /// `None` when it has no word, too many or is too long.
    pub fn parse(text: &str) -> Option<Self> {
        let folded = fold(text);
        let words: Vec<Word> = folded.split_whitespace().map(Word::new).collect();
        let is_allowed = text.len() <= QUERY_BYTES && (1..=QUERY_WORDS).contains(&words.len());
        is_allowed.then_some(Self { words })
    }

    /// How well it finds an agent; `None` when it does not.
    pub(crate) fn rank_agent(&self, agent_id: &AgentId, document: &Document) -> Option<Rank> {
        let own = [(Place::Name, agent_id.as_str()), (Place::Type, document.agent_type.as_str())];
        let texts = own.into_iter().chain(document.capabilities.iter().flat_map(texts_of));
        self.rank(texts)
    }

    /// How well it finds a capability; `None` when it does not.
    pub(crate) fn rank_capability(&self, capability: &Capability) -> Option<Rank> {
        self.rank(texts_of(capability))
    }

    fn rank<'a>(&self, texts: impl Iterator<Item = (Place, &'a str)>) -> Option<Rank> {
        let mut best: Vec<Option<u32>> = vec![None; self.words.len()];
        for (place, text) in texts {
            let text = fold(text);
            for (word, best) in self.words.iter().zip(&mut best) {
                // Nothing is better than the whole of a name.
                if *best == Some(0) {
                    continue;
                }
                if let Some(grade) = word.grade(&text) {
                    let found = grade * PLACES + place as u32;
                    *best = Some(best.map_or(found, |other| other.min(found)));
                }
            }
        }
        best.into_iter().sum::<Option<u32>>().map(Rank)
    }
}

impl Word {
    fn new(text: &str) -> Self {
        let characters = text.chars().count();
        let errors = match characters {
            0..=3 => 0,
            4..=7 => 1,
            _ => 2,
        };
        Self { text: text.to_owned(), characters, errors }
    }

    /// 0 whole, 1 beginning, 2 anywhere, 3 and 4 with as many errors less two.
    fn grade(&self, text: &str) -> Option<u32> {
        if text == self.text {
            return Some(0);
        }
        let found_anywhere = text.contains(&self.text);
        let mut best = found_anywhere.then_some(2);
        for part in text.split(|character: char| !character.is_alphanumeric()) {
            if part == self.text {
                return Some(0);
            }
            if found_anywhere {
                if part.starts_with(&self.text) {
                    best = Some(1);
                }
            } else if let Some(errors) = self.errors_in(part) {
                let grade = 2 + errors;
                best = Some(best.map_or(grade, |other: u32| other.min(grade)));
            }
        }
        best
    }

    /// How many errors make the word of a part, if not too many. What cannot be is seen before it is computed.
    fn errors_in(&self, part: &str) -> Option<u32> {
        let may_be = self.errors > 0 && part.chars().count().abs_diff(self.characters) <= self.errors;
        let errors = may_be.then(|| strsim::osa_distance(&self.text, part))?;
        u32::try_from(errors).ok().filter(|_| errors <= self.errors)
    }
}

fn texts_of(capability: &Capability) -> impl Iterator<Item = (Place, &str)> {
    let tags = capability.tags.iter().map(|tag| (Place::Tag, tag.as_str()));
    let description = capability.description.iter().map(|text| (Place::Description, text.as_str()));
    std::iter::once((Place::Name, capability.name.as_str())).chain(tags).chain(description)
}

/// Upper case first makes the same of letters that have several lower cases, such as the Greek sigma, and of ß and ss.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(word: &str, text: &str) -> Option<u32> {
        Query::parse(word).unwrap().rank(std::iter::once((Place::Name, text))).map(|Rank(rank)| rank / PLACES)
    }

    #[test]
    fn a_word_is_found_whole_at_a_beginning_anywhere_or_with_few_errors() {
        let rows = [
            ("geo.lookup", "geo.lookup", Some(0)),
            ("lookup", "geo.lookup", Some(0)),
            ("LOOKUP", "Geo.LookUp", Some(0)),
            ("look", "geo.lookup", Some(1)),
            ("okup", "geo.lookup", Some(2)),
            ("lokup", "geo.lookup", Some(3)),
            ("lookpu", "geo.lookup", Some(3)),
            ("looukp", "geo.lookup", Some(3)),
            ("transaltion", "translation", Some(3)),
            ("tranzlatoin", "translation", Some(4)),
            ("tranzlatoim", "translation", None),
            ("gex", "geo.lookup", None),
            ("goe", "geo.lookup", None),
            ("xlkup", "geo.lookup", None),
            ("strasse", "Stra\u{df}e", Some(0)),
            ("\u{3bf}\u{3b4}\u{3bf}\u{3c3}", "\u{39f}\u{394}\u{39f}\u{3a3}", Some(0)),
        ];
        for (word, text, expected) in rows {
            assert_eq!(grade(word, text), expected, "{word} in {text}");
        }
    }

    #[test]
    fn every_word_must_be_found_and_queries_are_bounded() {
        assert_eq!(grade("geo lookup", "geo.lookup"), Some(0));
        assert_eq!(grade("geo nothing", "geo.lookup"), None);
        assert_eq!(Query::parse(" Geo  X "), Query::parse("geo x"));
        assert_eq!(Query::parse(" "), None);
        assert_eq!(Query::parse(&"x ".repeat(QUERY_WORDS + 1)), None);
        assert_eq!(Query::parse(&"x".repeat(QUERY_BYTES + 1)), None);
        assert!(Query::parse(&"x".repeat(QUERY_BYTES)).is_some());
    }
}
