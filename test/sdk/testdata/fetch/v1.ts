import createClient from "openapi-fetch";
import { type Drive, bearer, revoked } from "./drive.js";
import type { paths } from "./spec-v1.js";

type Client = ReturnType<typeof createClient<paths>>;

export async function driveV1(d: Drive): Promise<void> {
  const baseUrl = `${d.address}/crm/rest`;
  const c = createClient<paths>({ baseUrl, headers: bearer(d.key) });
  await account(d, c);
  const ann = await contacts(d, c);
  await tags(d, c, ann);
  await shop(d, c, ann);
  await work(d, c, ann);
  await errors(d, c);
  const stranger = createClient<paths>({ baseUrl, headers: bearer(revoked) });
  await d.troubles(() => stranger.GET("/v1/oauth/connect/userinfo"), () => c.GET("/v1/oauth/connect/userinfo"));
}

async function account(d: Drive, c: Client): Promise<void> {
  await d.fine("profile", 200, c.GET("/v1/account/profile"));
  const user = await d.fine("userinfo", 200, c.GET("/v1/oauth/connect/userinfo"));
  d.check("userinfo", user.email !== "", user);
  const users = await d.fine("users", 200, c.GET("/v1/users"));
  d.check("users", (users.users?.length ?? 0) > 0, users);
  await d.fine("contact model", 200, c.GET("/v1/contacts/model"));
  await d.fine("hook events", 200, c.GET("/v1/hooks/event_keys"));
}

async function contacts(d: Drive, c: Client): Promise<number> {
  const ann = {
    duplicate_option: "Email" as const, given_name: "Ann", family_name: "Lee", opt_in_reason: "Asked",
    email_addresses: [{ email: "ann+1@example.com", field: "EMAIL1" as const }],
    addresses: [{ field: "BILLING" as const, line1: "1 Main St", locality: "Chandler", region: "AZ", zip_code: "85225", country_code: "USA" }],
  };
  const made = await d.fine("upsert that creates", 200, c.PUT("/v1/contacts", { body: ann }));
  const again = await d.fine("upsert that updates", 200, c.PUT("/v1/contacts", { body: ann }));
  d.check("upserts of one address", typeof made.id === "number" && made.id === again.id, [made.id, again.id]);
  for (let i = 0; i < 3; i++) {
    await d.fine("create", 201, c.POST("/v1/contacts", {
      body: { family_name: "Other", email_addresses: [{ email: `other${i}@example.com`, field: "EMAIL1" }] },
    }));
  }
  const id = made.id ?? 0;
  const path = { contactId: id };
  await d.fine("patch", 200, c.PATCH("/v1/contacts/{contactId}", { params: { path, query: { update_mask: "job_title" } }, body: { job_title: "CTO", given_name: "Not this" } }));
  const got = await d.fine("get", 200, c.GET("/v1/contacts/{id}", { params: { path: { id }, query: { optional_properties: ["job_title", "lead_source_id"] } } }));
  d.check("get", got.job_title === "CTO" && got.addresses?.[0]?.country_code === "USA" && !Number.isNaN(Date.parse(got.date_created ?? "")), got);
  const found = await d.fine("find", 200, c.GET("/v1/contacts", { params: { query: { email: "ann+1@example.com" } } }));
  d.check("find", found.contacts?.length === 1 && found.contacts[0].id === id, found);
  const seen = new Set<number>();
  for (let offset = 0; ; offset += 2) {
    const page = await d.fine("page", 200, c.GET("/v1/contacts", { params: { query: { limit: 2, offset, order: "email", order_direction: "DESCENDING" } } }));
    if (!page.contacts?.length) break;
    page.contacts.forEach((x) => seen.add(x.id ?? 0));
  }
  d.check("paging", seen.size === 4, [...seen]);
  return id;
}

async function tags(d: Drive, c: Client, contactId: number): Promise<void> {
  const category = await d.fine("tag category", 200, c.POST("/v1/tags/categories", { body: { name: "Shop", description: "of the shop" } }));
  const ids: number[] = [];
  for (const name of ["Customer", "Bought HOODIE"]) {
    const tag = await d.fine("tag", 200, c.POST("/v1/tags", { body: { name, category: { id: category.id } } }));
    ids.push(tag.id);
  }
  const listed = await d.fine("find tag", 200, c.GET("/v1/tags", { params: { query: { name: "Customer" } } }));
  d.check("find tag", listed.tags?.length === 1, listed);
  const path = { contactId };
  for (const want of ["SUCCESS,SUCCESS,TAG_ID_NOT_FOUND", "DUPLICATE,DUPLICATE,TAG_ID_NOT_FOUND"]) {
    const applied = await d.fine("apply tags", 200, c.POST("/v1/contacts/{contactId}/tags", { params: { path }, body: { tagIds: [...ids, 999999] } }));
    d.check("apply tags", Array.isArray(applied) && applied.map((r) => r.key).join() === want, applied);
  }
  const has = await d.fine("tags of a contact", 200, c.GET("/v1/contacts/{contactId}/tags", { params: { path } }));
  d.check("tags of a contact", has.tags?.length === 2, has);
  await d.fine("remove tags", 204, c.DELETE("/v1/contacts/{contactId}/tags", { params: { path, query: { ids: ids.join() } } }));
}

async function shop(d: Drive, c: Client, contact_id: number): Promise<void> {
  const product = await d.fine("product", 201, c.POST("/v1/products", { body: { product_name: "Hoodie", sku: "HOODIE", product_price: 45.5 } }));
  const order = await d.fine("order", 201, c.POST("/v1/orders", {
    body: {
      contact_id, order_date: "2026-11-23T08:00:00.123+01:00", order_title: "#1", order_type: "Online",
      order_items: [{ product_id: product.id ?? 0, quantity: 2, price: "45.50" }],
    },
  }));
  d.check("order", order.total === 91 && typeof order.id === "number", order);
  const path = { orderId: order.id ?? 0 };
  await d.fine("payment", 201, c.POST("/v1/orders/{orderId}/payments", {
    params: { path }, body: { payment_amount: "91.00", charge_now: false, date: "2026-11-23T08:01:00Z", payment_method_type: "CASH" },
  }));
  const paid = await d.fine("order by id", 200, c.GET("/v1/orders/{orderId}", { params: { path } }));
  d.check("order by id", paid.total_due === 0, paid);
  const orders = await d.fine("orders", 200, c.GET("/v1/orders", { params: { query: { contact_id } } }));
  d.check("orders", orders.orders?.length === 1, orders);
}

async function work(d: Drive, c: Client, contact_id: number): Promise<void> {
  const path = { integration: "shop", callName: "bought" };
  await d.fine("goal", 201, c.POST("/v1/campaigns/goals/{integration}/{callName}", { params: { path }, body: { contact_id } }));
  await d.fine("campaigns", 200, c.GET("/v1/campaigns"));
  await d.fine("note", 201, c.POST("/v1/notes", { body: { contact_id, title: "Called", body: "about the hoodie", type: "Call" } }));
  await d.fine("task", 200, c.POST("/v1/tasks", { body: { title: "Call back", due_date: "2026-12-01T10:00:00Z", contact: { id: contact_id } } }));
  await d.fine("opportunity", 200, c.POST("/v1/opportunities", {
    body: { contact: { id: contact_id }, opportunity_title: "Deal", stage: { id: 1 }, user: { id: 1 } },
  }));
}

async function errors(d: Drive, c: Client): Promise<void> {
  await d.fine("unknown contact", 404, c.GET("/v1/contacts/{id}", { params: { path: { id: 999999 } } }));
  await d.fine("wrong region", 400, c.POST("/v1/contacts", {
    body: { email_addresses: [{ email: "x@example.com", field: "EMAIL1" }], addresses: [{ field: "BILLING", region: "Nowhere", country_code: "USA" }] },
  }));
  await d.fine("contact without address", 400, c.POST("/v1/contacts", { body: { given_name: "Nobody" } }));
  await d.fine("operation that is not simulated", 501, c.GET("/v1/affiliates"));
}
