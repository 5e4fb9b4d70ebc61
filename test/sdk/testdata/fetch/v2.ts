import createClient from "openapi-fetch";
import { type Drive, bearer, revoked } from "./drive.js";
import type { paths } from "./spec-v2.js";

type Client = ReturnType<typeof createClient<paths>>;

export async function driveV2(d: Drive): Promise<void> {
  const baseUrl = `${d.address}/crm`;
  const c = createClient<paths>({ baseUrl, headers: bearer(d.key) });
  await account(d, c);
  const [ann, other] = await contacts(d, c);
  await tags(d, c, ann, other);
  await shop(d, c, ann);
  await work(d, c, ann, other);
  await errors(d, c, ann, other);
  const stranger = createClient<paths>({ baseUrl, headers: bearer(revoked) });
  await d.troubles(() => stranger.GET("/rest/v2/oauth/connect/userinfo"), () => c.GET("/rest/v2/oauth/connect/userinfo"));
}

async function account(d: Drive, c: Client): Promise<void> {
  await d.fine("profile", 200, c.GET("/rest/v2/businessProfile"));
  await d.fine("userinfo", 200, c.GET("/rest/v2/oauth/connect/userinfo"));
  const users = await d.fine("users", 200, c.GET("/rest/v2/users"));
  d.check("users", typeof users.users?.[0]?.id === "string", users);
  await d.fine("contact model", 200, c.GET("/rest/v2/contacts/model"));
  await d.fine("companies", 200, c.GET("/rest/v2/companies"));
}

async function contacts(d: Drive, c: Client): Promise<[string, string]> {
  const upsert = {
    params: { query: { duplicate_option: "Email" as const, fields: ["id", "tag_ids", "custom_fields"] } },
    body: {
      given_name: "Ann", family_name: "Lee", email_addresses: [{ email: "ann+2@example.com", field: "EMAIL1" as const, opt_in_reason: "Asked" }],
      addresses: [{ field: "BILLING" as const, line1: "2 Main St", locality: "Toronto", region_code: "CA-ON", postal_code: "M5V", country_code: "CAN" }],
    },
  };
  const made = await d.fine("upsert that creates", 201, c.POST("/rest/v2/contacts", upsert));
  const again = await d.fine("upsert that updates", 200, c.POST("/rest/v2/contacts", upsert));
  d.check("upserts of one address", typeof made.id === "string" && made.id === again.id, [made.id, again.id]);
  let other = "";
  for (let i = 0; i < 3; i++) {
    const x = await d.fine("create", 201, c.POST("/rest/v2/contacts", {
      body: { given_name: "Other", family_name: "V2", email_addresses: [{ email: `v2-other${i}@example.com`, field: "EMAIL1" }] },
    }));
    other = x.id ?? "";
  }
  const contact_id = made.id ?? "";
  const path = { contact_id };
  await d.fine("patch", 200, c.PATCH("/rest/v2/contacts/{contact_id}", { params: { path, query: { update_mask: ["job_title", "website"] } }, body: { job_title: "CTO", website: "https://example.com" } }));
  const got = await d.fine("get", 200, c.GET("/rest/v2/contacts/{contact_id}", { params: { path, query: { fields: ["given_name", "job_title", "tag_ids", "addresses", "create_time"] } } }));
  d.check("get", got.job_title === "CTO" && got.given_name === "Ann" && got.addresses?.length === 1 && Array.isArray(got.tag_ids), got);
  const found = await d.fine("find", 200, c.GET("/rest/v2/contacts", { params: { query: { filter: "email==ann+2@example.com" } } }));
  d.check("find", found.contacts?.length === 1, found);
  const seen = new Set<string>();
  for (let page_token: string | undefined; ; ) {
    const page = await d.fine("page", 200, c.GET("/rest/v2/contacts", { params: { query: { filter: "family_name==V2;given_name==Oth*", page_size: 2, order_by: "email desc", page_token } } }));
    page.contacts?.forEach((x) => seen.add(x.id ?? ""));
    page_token = page.next_page_token;
    if (!page_token) break;
  }
  d.check("paging", seen.size === 3, [...seen]);
  return [contact_id, other];
}

async function tags(d: Drive, c: Client, ann: string, other: string): Promise<void> {
  const category = await d.fine("tag category", 201, c.POST("/rest/v2/tags/categories", { body: { name: "Web" } }));
  const tag = await d.fine("tag", 201, c.POST("/rest/v2/tags", { body: { name: "VIP", category: { id: category.id ?? "" } } }));
  const path = { tag_id: tag.id ?? "" };
  const body = { contact_ids: [ann, other, "999999"] };
  for (const want of ["SUCCESS", "DUPLICATE"]) {
    const applied = await d.fine("apply tag", 200, c.POST("/rest/v2/tags/{tag_id}/contacts:applyTags", { params: { path }, body }));
    const results = applied.results ?? {};
    d.check("apply tag", results[ann] === want && results[other] === want && results["999999"] === "CONTACT_NOT_FOUND", applied);
  }
  const has = await d.fine("tags of a contact", 200, c.GET("/rest/v2/contacts/{contact_id}/tags", { params: { path: { contact_id: ann } } }));
  d.check("tags of a contact", has.tags?.length === 1, has);
  const whose = await d.fine("contacts of a tag", 200, c.GET("/rest/v2/tags/{tag_id}/contacts", { params: { path } }));
  d.check("contacts of a tag", whose.contacts?.length === 2, whose);
  await d.fine("remove tag", 204, c.POST("/rest/v2/tags/{tag_id}/contacts:removeTags", { params: { path }, body }));
}

async function shop(d: Drive, c: Client, contact_id: string): Promise<void> {
  const product = await d.fine("product", 201, c.POST("/rest/v2/products", { body: { name: "Cap", sku: "CAP", price: 1250, short_description: "A cap" } }));
  const products = await d.fine("products", 200, c.GET("/rest/v2/products", { params: { query: { filter: "sku==CAP" } } }));
  d.check("products", products.products?.length === 1, products);
  const order = await d.fine("order", 201, c.POST("/rest/v2/orders", {
    body: {
      contact_id, order_time: "2026-11-23T08:00:00.123456Z", order_title: "#2", order_type: "ONLINE",
      order_items: [{ item_type: "PRODUCT", product_id: product.id, quantity: 2 }, { item_type: "TAX", name: "VAT", quantity: 1, price_per_unit: 2.5 }],
    },
  }));
  d.check("order", order.total?.amount === 2750, order);
  const path = { order_id: order.id ?? "" };
  await d.fine("payment", 201, c.POST("/rest/v2/orders/{order_id}/payments", {
    params: { path }, body: { payment_amount: 27.5, apply_to_commissions: false, payment_method_type: "Other" },
  }));
  await d.fine("order by id", 200, c.GET("/rest/v2/orders/{order_id}", { params: { path } }));
  const orders = await d.fine("orders", 200, c.GET("/rest/v2/orders", { params: { query: { filter: `contact_id==${contact_id}` } } }));
  d.check("orders", orders.orders?.length === 1, orders);
}

async function work(d: Drive, c: Client, ann: string, other: string): Promise<void> {
  await d.fine("goal", 200, c.POST("/rest/v2/automations/goals/achieve", { body: { contact_id: Number(ann), integration: "shop", call_name: "bought" } }));
  const path = { automation_id: "12", sequence_id: "3" };
  await d.fine("sequence", 200, c.POST("/rest/v2/automations/{automation_id}/sequences/{sequence_id}:addContacts", { params: { path }, body: { contact_ids: [ann, other] } }));
  await d.fine("automations", 200, c.GET("/rest/v2/automations"));
  await d.fine("note", 201, c.POST("/rest/v2/contacts/{contact_id}/notes", { params: { path: { contact_id: ann } }, body: { user_id: "1", title: "Called", text: "about the cap" } }));
  await d.fine("task", 201, c.POST("/rest/v2/tasks", { body: { title: "Call back", due_time: "2026-12-01T10:00:00+01:00", contact_id: ann, assigned_to_user_id: "1" } }));
  await d.fine("opportunity", 201, c.POST("/rest/v2/opportunities", { body: { contact_id: ann, opportunity_title: "Deal", stage_id: "1" } }));
}

async function errors(d: Drive, c: Client, ann: string, other: string): Promise<void> {
  await d.fine("merge", 200, c.POST("/rest/v2/contacts:merge", { body: { contact_id: ann, duplicate_contact_id: other } }));
  await d.fine("merged away", 404, c.GET("/rest/v2/contacts/{contact_id}", { params: { path: { contact_id: other } } }));
  await d.fine("wrong filter", 400, c.GET("/rest/v2/contacts", { params: { query: { filter: "nonsense==1" } } }));
  await d.fine("operation that is not simulated", 501, c.GET("/rest/v2/contacts/links/types"));
}
