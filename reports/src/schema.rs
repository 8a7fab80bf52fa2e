//! The JSON Schema of `report.json`, out of the types of [`crate::result`] and their comments.

use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::{Value, json};

use crate::result::RunReport;

/// The schema as it is published in docs/report.schema.json. It is closed: a member that it does not describe is wrong.
pub fn report_schema() -> Value {
    let mut schema = schemars::schema_for!(RunReport);
    let close = |schema: &mut schemars::Schema| {
        if schema.get("properties").is_some() {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
    };
    RecursiveTransform(close).transform(&mut schema);
    schema.insert("title".to_owned(), json!("report.json of Wallflower"));
    schema.to_value()
}
