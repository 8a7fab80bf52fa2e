//! What rmcp asks of a server; everything but tools is refused.
//!
//! Nothing here touches the `Peer` that comes with a request: whatever is sent by it would be a message that no
//! request asked for.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::http::request::Parts;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, ContentBlock, CustomRequest, CustomResult, DiscoverResult,
    Implementation, ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
    ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult, ListToolsResult,
    MetaObject, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::json;

use super::tools;
use crate::auth::Caller;
use crate::shared::Shared;

/// Those that the tests of this endpoint speak. Older ones know no structured results.
const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];
/// How long a client may keep the list of tools, in milliseconds. It changes with the program only.
const TOOLS_TTL_MS: u64 = 3_600_000;
/// What is answered here; rmcp takes one whose parameters it cannot read for a request of another kind.
const KNOWN_METHODS: [&str; 3] = ["tools/call", "tools/list", "server/discover"];
const INSTRUCTIONS: &str = "A passive registry of agents: it calls nobody. Send agent_heartbeat with `capabilities` \
    once to register, then without, at least every `heartbeat_interval_ms`, to stay listed. Find others with \
    get_capability_providers, and call them at their `endpoint` yourself.";

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(tools::described);

/// One per request; all that it holds is shared.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    shared: Arc<Shared>,
}

impl Handler {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation())
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&VERSIONS)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let result = DiscoverResult::from_server_info(VERSIONS.to_vec(), self.get_info());
        Ok(result.with_ttl_ms(TOOLS_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("the list of tools has one page and no cursor", None));
        }
        let mut result = ListToolsResult::with_all_items(TOOLS.clone());
        result.meta = Some(signature());
        // Clients of the older revision do not know these members.
        if context.protocol_version().is_some_and(|version| version == ProtocolVersion::V_2026_07_28) {
            result = result.with_ttl_ms(TOOLS_TTL_MS).with_cache_scope(CacheScope::Public);
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // rmcp hands on the head of the HTTP request, in which the gate has left who asks.
        let caller = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<Caller>());
        let caller = caller.ok_or_else(|| ErrorData::internal_error("nobody knows who asks", None))?;
        let arguments = request.arguments.unwrap_or_default();
        let result = match tools::call(&self.shared, caller, &request.name, arguments).await {
            None => return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None)),
            Some(Ok(document)) => CallToolResult::structured(document),
            // As text only: what is structured has to be of the tool's output schema.
            Some(Err(problem)) => CallToolResult::error(vec![ContentBlock::text(problem.to_string())]),
        };
        Ok(result.with_meta(Some(signature())).into())
    }

    // rmcp would answer these with empty lists, as if there were such things here.

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourceTemplatesRequestMethod>())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if KNOWN_METHODS.contains(&request.method.as_str()) {
            return Err(ErrorData::invalid_params(
                format!("the parameters of {} are not as the specification has them", request.method),
                None,
            ));
        }
        Err(ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, request.method, None))
    }

    /// rmcp would write a line into the log for every client.
    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {}
}

fn implementation() -> Implementation {
    Implementation::new("wallflower", env!("CARGO_PKG_VERSION")).with_title("Wallflower agent registry")
}

/// Who answers, as 2026-07-28 wants it told with every result.
fn signature() -> MetaObject {
    static SIGNATURE: LazyLock<MetaObject> = LazyLock::new(|| {
        let mut meta = MetaObject::default();
        meta.0.insert("io.modelcontextprotocol/serverInfo".to_owned(), json!(implementation()));
        meta
    });
    SIGNATURE.clone()
}
