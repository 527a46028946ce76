//! Versions: their rows, and which of them were active when.

use cloudbox_database::{Query, Row};
use cloudbox_types::{Activation, FunctionId, Page, PageRequest, Version};

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::SqlStore;

/// The columns of a version, under names that don't meet those of the function beside it. Its code is read alone.
macro_rules! version_columns {
    () => {
        "versions.function_id AS version_function, versions.number AS version_number, \
         versions.runtime AS version_runtime, versions.language AS version_language, \
         versions.entry_point AS version_entry_point, versions.handler_style AS version_handler_style, \
         versions.digest AS version_digest, versions.main AS version_main, versions.package AS version_package, \
         versions.image AS version_image, \
         versions.dependencies AS version_dependencies, versions.author AS version_author, \
         versions.created_at AS version_created_at"
    };
}
pub(crate) use version_columns;

pub(crate) const ONE: &str =
    concat!("SELECT ", version_columns!(), " FROM versions WHERE function_id = $1 AND number = $2");

pub(crate) const LIST: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM versions WHERE function_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3"
);

pub(crate) const ACTIVATIONS: &str =
    "SELECT * FROM activations WHERE function_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";

impl SqlStore {
    pub(crate) async fn version_by_number(
        &self,
        function: FunctionId,
        number: i64,
    ) -> Result<Option<Version>, Error> {
        self.find(Query::new(ONE).bind(function.0).bind(number), Row::version).await
    }

    pub(crate) async fn list_versions(
        &self,
        function: FunctionId,
        page: PageRequest,
    ) -> Result<Page<Version>, Error> {
        let query = Query::new(LIST).bind(function.0).bind(page.after.unwrap_or(i64::MAX));
        self.list(query, page, "version_number", Row::version).await
    }

    pub(crate) async fn code_of_version(
        &self,
        function: FunctionId,
        number: i64,
    ) -> Result<Option<String>, Error> {
        let query = Query::new("SELECT code FROM versions WHERE function_id = $1 AND number = $2");
        let code = self.find(query.bind(function.0).bind(number), |row| Ok(row.get("code")?)).await?;
        Ok(code.flatten())
    }

    pub(crate) async fn list_activations(
        &self,
        function: FunctionId,
        page: PageRequest,
    ) -> Result<Page<Activation>, Error> {
        let query = Query::new(ACTIVATIONS).bind(function.0).bind(page.after.unwrap_or(i64::MAX));
        self.list(query, page, "id", Row::activation).await
    }
}
