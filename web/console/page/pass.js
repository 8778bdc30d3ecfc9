// The token of a phone, where the server wants one. It is kept in the memory of
// the page alone. Nothing here knows of the DOM.

const longestAhead = 600_000; // milliseconds before the end in which the next one is made

export class Pass {
  #mint;
  #now;
  #token = "";
  #due = 0; // when the next one is to be made
  #end = 0;

  // mint makes a token: {token, life}, its life in milliseconds from now.
  constructor(mint, now = Date.now) {
    this.#mint = mint;
    this.#now = now;
  }

  // get gives a token that holds, a new one if there is none or its end is near.
  // An old one that still holds does if none can be made right now.
  async get() {
    if (this.wait > 0) return this.#token;
    try {
      return await this.renew();
    } catch (err) {
      if (err.retryable === false || this.#now() >= this.#end) throw err;
      return this.#token;
    }
  }

  // renew makes a new one in any case.
  async renew() {
    const { token, life } = await this.#mint();
    this.#token = token;
    this.#end = this.#now() + life;
    this.#due = this.#end - Math.min(life / 4, longestAhead);
    return token;
  }

  // wait is how long it is until the next one should be made, in milliseconds.
  get wait() {
    return this.#due - this.#now();
  }

  // drop forgets the token, as a node refused it.
  drop() {
    this.#token = "";
    this.#due = this.#end = 0;
  }
}
