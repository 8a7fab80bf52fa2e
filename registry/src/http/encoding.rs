//! Lists as gzip and zstd (RFC 9110, sections 8.4 and 12.5.3): compressed once for all who ask the same, not once per
//! call.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use tokio::sync::OnceCell;

use super::json_text;
use super::problem::Problem;
use crate::shared::Shared;

/// Below this many bytes compressing saves no packet.
const SMALLEST: usize = 1_024;
/// From this many bytes on, gluing entries together is a task of its own.
const LARGE: usize = 256 * 1024;
/// How many compressed answers are kept, and how many bytes of them.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Of 9. Higher ones save little on JSON and take several times as long.
const GZIP_LEVEL: u32 = 3;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Gzip,
    Identity,
}

impl Coding {
    /// The one to prefer first. The zstd encoder in Rust does not make lists as small as gzip does (186 to 133 KB of
    /// 10,000 agents), so it is for those who ask for it alone, or first.
    const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::Identity];

    fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// The strong tag of an answer that is so written: another sequence of bytes needs another tag.
    pub(super) fn tag(self, plain: &str) -> String {
        match (self, plain.strip_suffix('"')) {
            (Self::Zstd | Self::Gzip, Some(open)) => format!("{open}-{}\"", self.as_str()),
            _ => plain.to_owned(),
        }
    }

    /// Whether a tag of ours is of an answer that is so written.
    pub(super) fn is_of(self, tag: &str) -> bool {
        let open = tag.trim_end_matches('"');
        let compressed = [Self::Zstd, Self::Gzip];
        let written = compressed.into_iter().find(|coding| open.ends_with(coding.as_str()));
        written.unwrap_or(Self::Identity) == self
    }
}

/// What `Accept-Encoding` allows, the best first. Never empty: a client that forbids everything gets the plain answer.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let fields = headers.get_all(header::ACCEPT_ENCODING);
    let items: Vec<(String, u16)> = fields
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .filter_map(item)
        .collect();
    let weight = |coding: Coding| {
        let named = |name: &str| items.iter().find(|(other, _)| other == name).map(|(_, weight)| *weight);
        let of_gzip = || (coding == Coding::Gzip).then(|| named("x-gzip")).flatten();
        // Unnamed, the plain answer is allowed, and the last choice.
        let unnamed = u16::from(coding == Coding::Identity);
        named(coding.as_str()).or_else(of_gzip).or_else(|| named("*")).unwrap_or(unnamed)
    };
    let mut allowed: Vec<_> = Coding::ALL.into_iter().filter(|coding| weight(*coding) > 0).collect();
    allowed.sort_by_key(|coding| std::cmp::Reverse(weight(*coding)));
    if allowed.is_empty() { vec![Coding::Identity] } else { allowed }
}

/// `gzip;q=0.5` as its name and its weight in thousandths.
fn item(text: &str) -> Option<(String, u16)> {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let weight = match parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q=")) {
        Some(weight) => weight.trim().parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
        None => 1.0,
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and 1,000")]
    let thousandths = (weight * 1_000.0).round() as u16;
    Some((name.trim().to_ascii_lowercase(), thousandths))
}

/// A list or delta that is still to be written down.
pub(super) struct Text<'a, T> {
    /// Stands for the text: no other text may ever have it.
    pub(super) key: &'a str,
    /// About how long it will be.
    pub(super) bytes: usize,
    /// Whose share of the memory it takes.
    pub(super) route: &'static str,
    pub(super) write: T,
}

/// A text, written as the first of `accepted` says where that is worth it.
pub(super) async fn write<T: FnOnce() -> String + Send + 'static>(
    shared: &Shared,
    accepted: &[Coding],
    text: Text<'_, T>,
) -> Result<(Coding, Bytes), Problem> {
    let Text { key, bytes, route, write } = text;
    let coding = accepted.first().copied().unwrap_or(Coding::Identity);
    if coding == Coding::Identity || bytes < SMALLEST {
        let text = if bytes < LARGE { write() } else { apart(write).await? };
        return Ok((Coding::Identity, shared.lanes.weigh(route, text)?));
    }
    let cell = shared.encoded.cell(key, coding);
    let compressed = cell.get_or_try_init(|| async {
        shared.metrics.encodings.with_label_values(&[coding.as_str()]).inc();
        apart(move || compress(coding, write().as_bytes())).await
    });
    let compressed = compressed.await?.clone();
    shared.encoded.trim();
    Ok((coding, compressed))
}

/// An answer 200 of JSON that is so written.
pub(super) fn written(coding: Coding, text: Bytes) -> Response {
    let mut answer = varied(json_text(text));
    if coding != Coding::Identity {
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    }
    answer
}

/// Does what takes so long that it would hold up other requests of this thread.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))
}

/// Tells caches that the answer depends on what the asker accepts.
pub(super) fn varied(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    answer
}

fn compress(coding: Coding, text: &[u8]) -> Bytes {
    match coding {
        Coding::Identity => Bytes::copy_from_slice(text),
        Coding::Zstd => {
            ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest).into()
        }
        Coding::Gzip => {
            let level = flate2::Compression::new(GZIP_LEVEL);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            // Writing to memory does not fail.
            let written = encoder.write_all(text).and_then(|()| encoder.finish());
            written.unwrap_or_default().into()
        }
    }
}

/// Compressed answers, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    key: String,
    coding: Coding,
    cell: Arc<OnceCell<Bytes>>,
}

impl Encoded {
    /// Where the answer is, or will be when the first who asked for it has compressed it.
    fn cell(&self, key: &str, coding: Coding) -> Arc<OnceCell<Bytes>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|one| one.coding == coding && one.key == key) {
            return Arc::clone(&known.cell);
        }
        let cell = Arc::<OnceCell<Bytes>>::default();
        kept.push_back(Kept { key: key.to_owned(), coding, cell: Arc::clone(&cell) });
        if kept.len() > KEPT {
            kept.pop_front();
        }
        cell
    }

    fn trim(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let size = |one: &Kept| one.cell.get().map_or(0, Bytes::len);
        let mut bytes: usize = kept.iter().map(size).sum();
        while bytes > KEPT_BYTES {
            let Some(oldest) = kept.pop_front() else { return };
            bytes -= size(&oldest).min(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_encoding_is_read_with_weights_stars_and_refusals() {
        use Coding::{Gzip, Identity, Zstd};
        let rows: [(&str, &[Coding]); 13] = [
            ("", &[Identity]),
            ("gzip", &[Gzip, Identity]),
            ("GZIP", &[Gzip, Identity]),
            ("x-gzip", &[Gzip, Identity]),
            ("gzip, zstd", &[Gzip, Zstd, Identity]),
            ("gzip, deflate, br", &[Gzip, Identity]),
            ("zstd;q=0.5, gzip;q=0.8", &[Gzip, Zstd, Identity]),
            ("gzip;q=0", &[Identity]),
            ("*", &[Gzip, Zstd, Identity]),
            ("*;q=0, gzip", &[Gzip]),
            ("identity, gzip;q=0.5", &[Identity, Gzip]),
            ("identity;q=0", &[Identity]),
            ("gzip;q=x, zstd;q=7, br", &[Identity]),
        ];
        for (field, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(field));
            assert_eq!(accepted(&headers), expected, "{field:?}");
        }
        assert_eq!(accepted(&HeaderMap::new()), [Identity]);
    }

    #[test]
    fn what_was_compressed_is_kept_in_bounds() {
        let encoded = Encoded::default();
        for number in 0..3 * KEPT {
            encoded.cell(&number.to_string(), Coding::Gzip);
        }
        assert_eq!(encoded.kept.lock().unwrap().len(), KEPT);
        for number in 0..3 {
            let cell = encoded.cell(&format!("large {number}"), Coding::Gzip);
            cell.set(Bytes::from(vec![0; KEPT_BYTES / 2])).unwrap();
        }
        encoded.trim();
        let kept = encoded.kept.lock().unwrap();
        assert_eq!(kept.iter().filter(|one| one.cell.initialized()).count(), 2);
        assert!(!Arc::ptr_eq(&kept[0].cell, &kept[1].cell));
    }
}
