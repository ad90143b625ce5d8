//! The tags that WeChat brings along and glass-easel does not, as far as the example uses them:
//! view, text, input, scroll-view. In the browser. They must tell what the real ones tell, no more.

const CSS = `
wx-view, wx-scroll-view { display: block; }
wx-text { display: inline; }
wx-scroll-view { overflow-y: auto; scrollbar-width: none; }
wx-input { display: block; }
wx-input > input {
  width: 100%; height: 100%; padding: 0; border: 0; outline: 0; box-sizing: border-box;
  background: none; color: inherit; font: inherit;
}
wx-input > input::placeholder { color: #5b6472; }
`;

/** Defines them in a code space. */
export function defineBuiltIn(space, globalSpace, templates) {
  const sheet = document.createElement('style');
  sheet.textContent = CSS;
  document.head.append(sheet);
  const define = (name, build) => {
    const path = `built-in/${name}`;
    const content = { groupList: templates, content: templates[path] };
    const definition = build(globalSpace.define(path).template(content)).registerComponent();
    space.setGlobalUsingComponent(`wx-${name}`, definition);
  };
  const pressable = (one) =>
    one
      .property('hoverClass', String)
      .property('ariaRole', String)
      .property('ariaDisabled', Boolean)
      .property('ariaHidden', Boolean);
  define('view', pressable);
  define('text', (one) => one);
  define('scroll-view', scrollView);
  define('input', input);
}

function scrollView(one) {
  return one.property('scrollY', Boolean).property('scrollIntoView', {
    type: String,
    observer(id) {
      if (!id) return;
      requestAnimationFrame(() => {
        const found = this.$$.querySelector(`[id$="--${id}"]`);
        if (found) this.$$.scrollTop = found.offsetTop - this.$$.offsetTop;
      });
    },
  });
}

function input(one) {
  const texts = ['placeholder', 'placeholderClass', 'confirmType', 'ariaLabel'];
  texts.forEach((name) => one.property(name, String));
  return one
    .property('maxlength', Number)
    .property('cursorSpacing', Number)
    .property('confirmHold', Boolean)
    .property('value', {
      type: String,
      observer(value) {
        if (this.box && this.box.value !== value) this.box.value = value;
      },
    })
    .lifetime('attached', function attached() {
      const box = document.createElement('input');
      box.placeholder = this.data.placeholder;
      box.maxLength = this.data.maxlength || 140;
      box.value = this.data.value;
      box.addEventListener('input', (event) => {
        event.stopPropagation();
        this.triggerEvent('input', { value: box.value, cursor: box.selectionStart });
      });
      box.addEventListener('keydown', (event) => {
        if (event.key === 'Enter') this.triggerEvent('confirm', { value: box.value });
      });
      this.box = box;
      this.$$.append(box);
    });
}
