//! Query parameters, with all that is wrong with them. An unknown one is refused: a mistyped filter must not return
//! everything.

use std::borrow::Cow;

use axum::http::Uri;
use registry_core::intake::Fault;

use super::problem::Problem;

/// The parameters of a request, taken out one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Parameters<'a> {
    left: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(uri: &'a Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let left = form_urlencoded::parse(query.as_bytes()).collect();
        Self { left, known: Vec::new(), faults: Vec::new() }
    }

    pub(super) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.faults.push(Fault { pointer: format!("/{name}"), detail: detail.into() });
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn all(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let taken = self.left.extract_if(.., |(other, _)| other == name);
        taken.map(|(_, value)| value.into_owned()).collect()
    }

    /// The value of a parameter that must not be repeated.
    pub(super) fn one(&mut self, name: &'static str) -> Option<String> {
        self.text(name).map(Cow::into_owned)
    }

    fn text(&mut self, name: &'static str) -> Option<Cow<'a, str>> {
        self.known.push(name);
        let before = self.left.len();
        let last = self.left.extract_if(.., |(other, _)| other == name).last();
        let given = before - self.left.len();
        if given > 1 {
            self.fault(name, format!("is given {given} times, once is allowed"));
        }
        last.map(|(_, value)| value)
    }

    /// The value of a parameter that `parse` accepts.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.text(name)?;
        parse(&value).map_err(|detail| self.fault(name, format!("is {value:?}; {detail}"))).ok()
    }

    /// To be called when every known parameter has been taken out.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.left) {
            let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
            self.fault(&name, format!("is no parameter of this route; known are: {known}"));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid_query(self.faults)) }
    }
}

/// Refuses every parameter.
pub(super) fn none(uri: &Uri) -> Result<(), Problem> {
    Parameters::of(uri).finish()
}
