// What the tables show: for each list its path, its columns, its key, and what to say when it is empty.
//
// A column gives text, or `{text, why}` with a reason to be shown below it, or `{meter}` for a share of a whole.

/** What the tables show of the cluster as a whole. `domain` is empty until it has been read. */
export const cluster = { domain: "" };

const strip = (prefix, value) => (value ?? "").replace(prefix, "");
const none = "<none>";
const EXAMPLE = "polder apply -f examples/two-tier.yaml";
const list = (items, otherwise = none) => (items?.length ? items.join(",") : otherwise);

/** The age of a time in kubectl's way: 45s, 12m, 3h5m, 2d. */
export function age(time, now = Date.now()) {
  if (!time) return "<unknown>";
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes}m${seconds % 60 ? `${seconds % 60}s` : ""}`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return `${hours}h${minutes % 60 ? `${minutes % 60}m` : ""}`;
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** Counts arrive as text, since they may be larger than a double can hold. */
const count = (value) => `${value?.saturated ? ">" : ""}${BigInt(value?.value ?? "0").toLocaleString("en")}`;

function share(usage) {
  const total = Number(usage?.total?.value ?? 0);
  const free = Number(usage?.free?.value ?? 0);
  return total > 0 ? { meter: (total - free) / total } : "";
}

const unhappy = (conditions) => (conditions ?? []).filter((condition) => condition.status === "CONDITION_STATUS_FALSE");

function why(conditions, type) {
  const found = unhappy(conditions).find((condition) => condition.type === type);
  return found && `${found.reason}: ${found.message}`;
}

const TYPES = {
  SERVICE_TYPE_LOAD_BALANCER: "LoadBalancer",
  SERVICE_TYPE_EXTERNAL_NAME: "ExternalName",
  SERVICE_TYPE_NODE_PORT: "NodePort",
};

function clusterAddress(service) {
  if (service.spec?.headless) return "None";
  if (service.spec?.type === "SERVICE_TYPE_EXTERNAL_NAME") return none;
  const text = list(service.status?.clusterVips?.map((vip) => vip.address), "<pending>");
  return { text, why: why(service.status?.conditions, "ClusterAddressAssigned") };
}

function externalAddress(service) {
  if (service.spec?.type === "SERVICE_TYPE_EXTERNAL_NAME") return service.spec.externalName ?? none;
  if (service.spec?.type !== "SERVICE_TYPE_LOAD_BALANCER") return none;
  const text = list(service.status?.externalVips?.map((vip) => vip.address), "<pending>");
  return { text, why: why(service.status?.conditions, "ExternalAddressAssigned") };
}

const port = (entry) => `${entry.port}/${strip("PROTOCOL_", entry.protocol) || "TCP"}`;

const owner = (owner) => [owner?.namespace, owner?.name].filter(Boolean).join("/") || none;

export const LISTS = [
  {
    name: "services",
    title: "Services",
    path: "/v1/services?pageSize=500",
    items: (body) => body.services ?? [],
    key: (service) => service.uid ?? `${service.namespace}/${service.name}`,
    label: (service) => `Service ${service.namespace}/${service.name}`,
    conditions: (service) => unhappy(service.status?.conditions),
    empty: { text: "No services yet. This makes a web and a database service with their pods:", command: EXAMPLE },
    columns: [
      ["NAMESPACE", (service) => service.namespace],
      ["NAME", (service) => service.name],
      ["TYPE", (service) => TYPES[service.spec?.type] ?? "ClusterIP"],
      ["CLUSTER-IP", clusterAddress],
      ["EXTERNAL-IP", externalAddress],
      ["PORT(S)", (service) => list(service.spec?.ports?.map(port))],
      ["ENDPOINTS", (service) => `${service.status?.readyEndpoints ?? 0}/${service.status?.totalEndpoints ?? 0}`],
      ["NAME IN DNS", (service) => [service.name, service.namespace, "svc", cluster.domain].filter(Boolean).join(".")],
      ["AGE", (service) => age(service.createTime), "ticks"],
    ],
  },
  {
    name: "pools",
    title: "Pools",
    path: "/v1/pools?pageSize=500",
    items: (body) => body.pools ?? [],
    key: (pool) => pool.uid ?? pool.name,
    label: (pool) => `Pool ${pool.name}`,
    conditions: (pool) => unhappy(pool.conditions),
    empty: { text: "No pools yet, so nothing can have an address. This makes the node, external, pod and service pools:", command: EXAMPLE },
    columns: [
      ["NAME", (pool) => pool.name],
      ["PURPOSE", (pool) => strip("POOL_PURPOSE_", pool.purpose)],
      ["RANGES", (pool) => list(pool.ranges)],
      ["USED", (pool) => count(pool.usage?.used), "number"],
      ["FREE", (pool) => count(pool.usage?.free), "number"],
      ["TOTAL", (pool) => count(pool.usage?.total), "number"],
      ["TAKEN", (pool) => share(pool.usage)],
      ["STATE", (pool) => strip("POOL_STATE_", pool.state) || "ENABLED"],
      ["AGE", (pool) => age(pool.createTime), "ticks"],
    ],
  },
  {
    name: "nodes",
    title: "Nodes",
    path: "/v1/nodes?pageSize=500",
    items: (body) => body.nodes ?? [],
    key: (node) => node.uid ?? node.name,
    label: (node) => `Node ${node.name}`,
    conditions: (node) => unhappy(node.conditions),
    empty: { text: "No nodes yet. An agent registers its node by itself; a manifest can name nodes too:", command: EXAMPLE },
    columns: [
      ["NAME", (node) => node.name],
      ["STATUS", (node) => `${strip("NODE_STATE_", node.state)}${node.draining ? ",DRAINING" : ""}${node.unschedulable ? ",UNSCHEDULABLE" : ""}`],
      ["ADDRESSES", (node) => list(node.addresses)],
      ["ZONE", (node) => node.zone || none],
      ["BLOCKS", (node) => list(node.blocks)],
      ["ALLOCATIONS", (node) => String(node.allocations ?? 0), "number"],
      ["HEARTBEAT", (node) => (node.lastHeartbeatTime ? age(node.lastHeartbeatTime) : none), "ticks"],
      ["VERSION", (node) => node.agentVersion || none],
      ["AGE", (node) => age(node.createTime), "ticks"],
    ],
  },
  {
    name: "allocations",
    title: "Allocations",
    path: "/v1/allocations?pageSize=500",
    items: (body) => body.allocations ?? [],
    key: (allocation) => allocation.uid,
    label: (allocation) => `Allocation ${allocation.handle}`,
    conditions: () => [],
    empty: { text: "Nobody holds an address yet. Pods, nodes and services show up here as they get theirs. Who holds one:", command: "polder who 172.28.0.10" },
    columns: [
      ["ADDRESS", (allocation) => list(allocation.addresses?.map((held) => held.address))],
      ["OWNER", (allocation) => owner(allocation.owner)],
      ["KIND", (allocation) => strip("OWNER_KIND_", allocation.owner?.kind) || "POD"],
      ["POOL", (allocation) => list([...new Set(allocation.addresses?.map((held) => held.pool) ?? [])])],
      ["NODE", (allocation) => allocation.owner?.node || none],
      ["READY", (allocation) => (allocation.ready ? "yes" : "no")],
      ["STATE", (allocation) => strip("ALLOCATION_STATE_", allocation.state)],
      ["LABELS", (allocation) => list(Object.entries(allocation.labels ?? {}).map(([key, value]) => `${key}=${value}`))],
      ["AGE", (allocation) => age(allocation.createTime), "ticks"],
    ],
  },
];
