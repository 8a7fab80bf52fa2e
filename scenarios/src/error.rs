//! Errors that name file, line, key, what was found, what is known, and what to do.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource};
use thiserror::Error;

use crate::origin::Origins;

/// Why no scenario could be had.
#[derive(Debug, Error, Diagnostic)]
pub enum ScenarioError {
    /// Nothing is at the path.
    #[error("there is no file `{path}`")]
    #[diagnostic(code(scenario::not_found))]
    NotFound {
        /// The path as given.
        path: String,
        /// Which files there are.
        #[help]
        remedy: String,
    },
    /// The file is there and cannot be read as text.
    #[error("`{path}` could not be read: {reason}")]
    #[diagnostic(code(scenario::unreadable))]
    Unreadable {
        /// The path as given.
        path: String,
        /// The system's words.
        reason: String,
        /// What to do.
        #[help]
        remedy: String,
    },
    /// A `--set` that changes nothing that the file has.
    #[error("`--set {assignment}`: {reason}")]
    #[diagnostic(code(scenario::set))]
    Set {
        /// What stood after `--set`.
        assignment: String,
        /// What is wrong with it.
        reason: String,
        /// What to write instead.
        #[help]
        remedy: String,
    },
    /// The file says something that cannot be run.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(#[from] Box<InvalidFile>),
}

/// Everything that is wrong with a file: the first fault in place, the others related.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
#[diagnostic(code(scenario::invalid))]
pub struct InvalidFile {
    message: String,
    #[source_code]
    source_code: Arc<NamedSource<String>>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
    #[help]
    remedy: Option<String>,
    #[related]
    others: Vec<Fault>,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Error, Diagnostic)]
#[error("{message}")]
pub struct Fault {
    message: String,
    /// Where it stands in another file than the first fault does.
    #[source_code]
    source_code: Option<Arc<NamedSource<String>>>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
    #[help]
    remedy: Option<String>,
}

impl Fault {
    /// A fault whose caret is at `span` and says `label`.
    pub(crate) fn at(span: Range<usize>, message: impl Into<String>, label: &str) -> Self {
        // The primary caret is the place that the header names, whatever stands above it.
        let label = LabeledSpan::new_primary_with_span(Some(label.to_owned()), span);
        Self { message: message.into(), source_code: None, labels: vec![label], remedy: None }
    }

    /// A fault with no place of its own.
    pub(crate) fn anywhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), source_code: None, labels: Vec::new(), remedy: None }
    }

    /// With a second caret.
    pub(crate) fn and_at(mut self, span: Range<usize>, label: &str) -> Self {
        self.labels.push(LabeledSpan::new_with_span(Some(label.to_owned()), span));
        self
    }

    /// With what to do.
    pub(crate) fn help(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The fault at its place in the file that says it. A second place in another file is told in words.
    fn relocated(mut self, origins: &Origins<'_>) -> Self {
        let span = |label: &LabeledSpan| label.offset()..label.offset() + label.len();
        let Some((layer, _)) = self.labels.first().and_then(|label| origins.find(&span(label))) else {
            return self;
        };
        self.source_code = Some(Arc::new(NamedSource::new(&layer.name, layer.text.clone())));
        let mut elsewhere = String::new();
        let labels = std::mem::take(&mut self.labels);
        for (index, label) in labels.into_iter().enumerate() {
            let text = label.label().unwrap_or_default().to_owned();
            match origins.find(&span(&label)) {
                Some((there, span)) if there == layer && index == 0 => {
                    self.labels.push(LabeledSpan::new_primary_with_span(Some(text), span));
                }
                Some((there, span)) if there == layer => {
                    self.labels.push(LabeledSpan::new_with_span(Some(text), span));
                }
                Some((there, span)) => {
                    let line =
                        1 + there.text.get(..span.start).map_or(0, |before| before.matches('\n').count());
                    elsewhere.push_str(&format!("; {text}: {}:{line}", there.name));
                }
                None => elsewhere.push_str(&format!("; {text}: a `--set`")),
            }
        }
        if !elsewhere.is_empty() {
            self.remedy = Some(format!("{}{elsewhere}", self.remedy.unwrap_or_default()));
        }
        self
    }

    fn offset(&self) -> usize {
        self.labels.first().map_or(usize::MAX, LabeledSpan::offset)
    }
}

/// The faults of one file, collected while all of it is read.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Keeps what was read, or the fault.
    pub(crate) fn keep<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.push(fault)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The error that shows all faults, in the file's order.
    pub(crate) fn into_error(self, file: &str, text: &str) -> ScenarioError {
        self.into_error_of(file, text, None)
    }

    /// The same for a text that was made of several files: each fault is shown in its own.
    pub(crate) fn into_error_of(
        mut self,
        file: &str,
        text: &str,
        origins: Option<&Origins<'_>>,
    ) -> ScenarioError {
        self.0.sort_by_key(Fault::offset);
        let count = self.0.len();
        let whole = Arc::new(NamedSource::new(file, text.to_owned()));
        let mut faults = self.0.into_iter().map(|fault| match origins {
            Some(origins) => {
                let fault = fault.relocated(origins);
                // Without a source of its own it would be shown in that of the first fault.
                let source_code = fault.source_code.clone().or_else(|| Some(Arc::clone(&whole)));
                Fault { source_code, ..fault }
            }
            None => fault,
        });
        let first = faults.next().unwrap_or_else(|| Fault::anywhere("the file cannot be used"));
        let message = match count {
            0 | 1 => first.message,
            _ if origins.is_some() => format!("{} (the first of {count} faults)", first.message),
            _ => format!("{} (the first of {count} faults in this file)", first.message),
        };
        ScenarioError::from(Box::new(InvalidFile {
            message,
            source_code: first.source_code.unwrap_or_else(|| Arc::clone(&whole)),
            labels: first.labels,
            remedy: first.remedy,
            others: faults.collect(),
        }))
    }
}

impl ScenarioError {
    /// Every fault in words, in the file's order.
    pub fn messages(&self) -> Vec<String> {
        match self {
            Self::Invalid(file) => std::iter::once(file.message.clone())
                .chain(file.others.iter().map(Fault::to_string))
                .collect(),
            other => vec![other.to_string()],
        }
    }
}

/// The most bytes that a file of this language may have.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Reads a file as text, or says why not. `known` are the files to suggest.
pub(crate) fn read_file(path: &Path, known: &[&str]) -> Result<String, ScenarioError> {
    let name = path.display().to_string();
    let unreadable = |reason: String, remedy: &str| ScenarioError::Unreadable {
        path: name.clone(),
        reason,
        remedy: remedy.to_owned(),
    };
    match std::fs::metadata(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(ScenarioError::NotFound { remedy: not_found_remedy(&name, known), path: name });
        }
        Ok(metadata) if metadata.is_dir() => {
            return Err(unreadable("it is a folder".to_owned(), "name a file in it"));
        }
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            return Err(unreadable(
                format!("it has {} bytes", metadata.len()),
                "such a file has at most 1 MiB; is this the right one?",
            ));
        }
        _ => {}
    }
    std::fs::read_to_string(path)
        .map_err(|cause| unreadable(cause.to_string(), "it must be text in UTF-8 that this user may read"))
}

fn not_found_remedy(name: &str, known: &[&str]) -> String {
    let Some(list) = (!known.is_empty()).then(|| known.join(", ")) else {
        return "check the path; it is looked up from the working directory".to_owned();
    };
    let stem = |path: &str| Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let wanted = stem(name).unwrap_or_default();
    let stems: Vec<String> = known.iter().filter_map(|path| stem(path)).collect();
    let near = crate::values::nearest(&wanted, stems.iter().map(String::as_str))
        .and_then(|near| known.iter().find(|path| stem(path).as_deref() == Some(near)));
    match near {
        Some(path) => format!("did you mean `{path}`? Shipped with the program: {list}"),
        None => format!("shipped with the program: {list}"),
    }
}
