//! The plainest MCP server that rmcp gives: one tool, whose result is always the same, by the transport settings of the
//! registry's endpoint.

use std::path::Path;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use tokio::net::TcpListener;

use super::bare::accepted;
use crate::trouble::Trouble;

#[derive(Debug, Clone)]
struct OneTool {
    result: CallToolResult,
}

impl ServerHandler for OneTool {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = Arc::new(serde_json::Map::from_iter([("type".to_owned(), Value::from("object"))]));
        Ok(ListToolsResult::with_all_items(vec![Tool::new("agent_heartbeat", "Answers.", schema)]))
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(self.result.clone().into())
    }
}

/// `answer` holds a result as the registry's tool gave it, so that the two answers are of one size.
pub(super) async fn serve(
    answer: &Path,
    listen: impl AsyncFnOnce() -> Result<TcpListener, Trouble>,
) -> Result<(), Trouble> {
    let result: CallToolResult = serde_json::from_slice(&std::fs::read(answer)?)?;
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_keep_alive(None);
    let factory = move || Ok(OneTool { result: result.clone() });
    let service = StreamableHttpService::new(factory, Arc::new(NeverSessionManager::default()), config);
    let listener = listen().await?;
    loop {
        let stream = accepted(&listener).await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
