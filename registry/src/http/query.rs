//! Query parameters, with all that is wrong with them. An unknown one is refused: a mistyped filter must not return
//! everything.

use axum::extract::Query;
use axum::http::Uri;
use registry_core::intake::Fault;

use super::problem::Problem;

/// The parameters of a request, taken out one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Parameters {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Self {
        if uri.query().is_none() {
            return Self { left: Vec::new(), known: Vec::new(), faults: Vec::new() };
        }
        match Query::<Vec<(String, String)>>::try_from_uri(uri) {
            Ok(Query(left)) => Self { left, known: Vec::new(), faults: Vec::new() },
            Err(error) => {
                let fault = Fault { pointer: String::new(), detail: error.body_text() };
                Self { left: Vec::new(), known: Vec::new(), faults: vec![fault] }
            }
        }
    }

    pub(super) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        let name = name.replace('~', "~0").replace('/', "~1");
        self.faults.push(Fault { pointer: format!("/{name}"), detail: detail.into() });
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn all(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let taken = self.left.extract_if(.., |(other, _)| other == name);
        taken.map(|(_, value)| value).collect()
    }

    /// The value of a parameter that must not be repeated.
    pub(super) fn one(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.fault(name, format!("is given {} times, once is allowed", values.len()));
        }
        values.pop()
    }

    /// The value of a parameter that `parse` accepts.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.one(name)?;
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
